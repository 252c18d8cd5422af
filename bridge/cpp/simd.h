// What the kernels share: one source, compiled for several instruction sets and chosen when the program starts.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif
#define INLINE static inline __attribute__((always_inline))

namespace collimate {

// e^x to about one unit in the last place, in a form that compilers vectorise: x = n·ln 2 + r, a polynomial for e^r on |r| <= ln 2 / 2
// (the coefficients are those of the Cephes library's expf), and n added to the exponent.
INLINE float exp_of(float x) {
    x = x < -87.33f ? -87.33f : (x > 88.37f ? 88.37f : x);
    const float n = std::nearbyintf(x * 1.44269504f);
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
    float scale;
    std::memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}
INLINE double exp_of(double x) { return std::exp(x); }

// Sixteen running sums, so that the compiler can keep a vector of them; always the same order of additions.
template <typename T>
INLINE T dot(const T* a, const T* b, int64_t n) {
    T sums[16] = {0};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; ++j) sums[j] += a[i + j] * b[i + j];
    T sum = 0;
    for (int j = 0; j < 16; ++j) sum += sums[j];
    for (; i < n; ++i) sum += a[i] * b[i];
    return sum;
}

}  // namespace collimate
