// Drawing one token a row: logits become weights exp(z/τ − max) in place, and a uniform number becomes a token by inverting their
// cumulative sum in two levels, sums of buckets first. One pass over a row while it lies in the cache.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "bridge.h"
#include "collimate-bridge/src/ffi.rs.h"
#include "simd.h"

namespace collimate {
namespace {

constexpr int64_t BUCKET = 256;
constexpr int64_t LANES = 16;

template <typename T>
INLINE T top_of(const T* z, int64_t n, T factor) {
    T tops[LANES], top = -std::numeric_limits<T>::infinity();
    for (int i = 0; i < LANES; ++i) tops[i] = top;
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES)
        for (int i = 0; i < LANES; ++i) tops[i] = z[j + i] > tops[i] ? z[j + i] : tops[i];
    for (; j < n; ++j) top = z[j] > top ? z[j] : top;
    for (int i = 0; i < LANES; ++i) top = tops[i] > top ? tops[i] : top;
    return top * factor;
}

// z becomes exp(factor·z − top); sums[b] is the sum of bucket b.
template <typename T>
INLINE void weigh(T* z, int64_t n, T factor, T top, T* sums) {
    for (int64_t start = 0, b = 0; start < n; start += BUCKET, ++b) {
        const int64_t end = std::min(n, start + BUCKET);
        for (int64_t j = start; j < end; ++j) z[j] = exp_of(z[j] * factor - top);
        T lanes[LANES] = {0}, sum = 0;
        int64_t j = start;
        for (; j + LANES <= end; j += LANES)
            for (int i = 0; i < LANES; ++i) lanes[i] += z[j + i];
        for (int i = 0; i < LANES; ++i) sum += lanes[i];
        for (; j < end; ++j) sum += z[j];
        sums[b] = sum;
    }
}

CLONES float top_clone(const float* z, int64_t n, float f) { return top_of(z, n, f); }
CLONES double top_clone(const double* z, int64_t n, double f) { return top_of(z, n, f); }
CLONES void weigh_clone(float* z, int64_t n, float f, float top, float* sums) { weigh(z, n, f, top, sums); }
CLONES void weigh_clone(double* z, int64_t n, double f, double top, double* sums) { weigh(z, n, f, top, sums); }

// The first place whose cumulative weight exceeds `rest`, which is reduced by the places before. Places without weight are never chosen;
// where rounding carries the target past the end, the last place with weight takes it.
template <typename T>
int64_t walk(const T* weights, int64_t n, double& rest) {
    int64_t last = 0;
    double kept = 0;
    for (int64_t i = 0; i < n; ++i) {
        const double w = weights[i];
        if (!(w > 0)) continue;
        if (rest < w) return i;
        rest -= w;
        last = i;
        kept = w * (1 - std::numeric_limits<double>::epsilon());
    }
    rest = kept;
    return last;
}

template <typename T>
double total_of(const std::vector<T>& sums) {
    double total = 0;
    for (T s : sums) total += s;
    return total;
}

template <typename T>
DrawnRow draw_row(T* z, int64_t n, const DrawRow& row, rust::Slice<const uint32_t> suppressed, std::vector<T>& sums) {
    const T factor = static_cast<T>(row.inverse_temperature);
    const T top = top_clone(z, n, factor);
    weigh_clone(z, n, factor, top, sums.data());
    DrawnRow out{0, total_of(sums), 0, 0};
    // What cannot be drawn has no weight while the draw is made; the policy's own law is put back afterwards.
    std::vector<T> hidden(row.suppressed_end - row.suppressed_start, T(0));
    auto each = [&](auto f) {
        for (size_t i = row.suppressed_start; i < row.suppressed_end; ++i)
            if (suppressed[i] < static_cast<uint64_t>(n)) f(suppressed[i], hidden[i - row.suppressed_start]);
    };
    each([&](int64_t token, T& kept) {
        kept = z[token];
        z[token] = 0;
    });
    each([&](int64_t token, T&) {
        const int64_t b = token / BUCKET, start = b * BUCKET, end = std::min(n, start + BUCKET);
        T sum = 0;
        for (int64_t j = start; j < end; ++j) sum += z[j];
        sums[b] = sum;
    });
    out.allowed = hidden.empty() ? out.total : total_of(sums);
    if (row.greedy) {
        // The first of the largest: ties go to the lowest id.
        out.token = std::max_element(z, z + n) - z;
    } else {
        double rest = row.uniform * out.allowed;
        const int64_t b = walk(sums.data(), static_cast<int64_t>(sums.size()), rest);
        out.token = b * BUCKET + walk(z + b * BUCKET, std::min(n - b * BUCKET, BUCKET), rest);
    }
    out.weight = z[out.token];
    // In reverse, so that a token that is named twice gets its weight back.
    for (size_t i = row.suppressed_end; i-- > row.suppressed_start;)
        if (suppressed[i] < static_cast<uint64_t>(n)) z[suppressed[i]] = hidden[i - row.suppressed_start];
    return out;
}

template <typename T>
void run(at::Tensor& logits, rust::Slice<const DrawRow> rows, rust::Slice<const uint32_t> suppressed, rust::Slice<DrawnRow> out) {
    const int64_t n = logits.size(1);
    T* z = logits.mutable_data_ptr<T>();
    at::parallel_for(0, static_cast<int64_t>(rows.size()), 1, [&](int64_t begin, int64_t end) {
        std::vector<T> sums((n + BUCKET - 1) / BUCKET);
        for (int64_t i = begin; i < end; ++i) out[i] = draw_row(z + i * n, n, rows[i], suppressed, sums);
    });
}

}  // namespace

void draw_rows(size_t logits, rust::Slice<const DrawRow> rows, rust::Slice<const uint32_t> suppressed, rust::Slice<DrawnRow> out) {
    at::NoGradGuard no_grad;
    at::Tensor& z = *reinterpret_cast<at::Tensor*>(logits);
    auto want = [](bool good, const char* what) {
        if (!good) throw std::invalid_argument(std::string("draw_rows: ") + what);
    };
    want(z.defined() && z.is_contiguous() && z.device().is_cpu() && z.dim() == 2 && z.size(1) > 0, "logits must be [n, V], contiguous, on the CPU");
    want(z.size(0) >= static_cast<int64_t>(rows.size()) && out.size() == rows.size(), "rows and logits differ in number");
    for (const auto& r : rows) want(r.suppressed_start <= r.suppressed_end && r.suppressed_end <= suppressed.size(), "a row names tokens that are not there");
    if (z.scalar_type() == at::kFloat)
        run<float>(z, rows, suppressed, out);
    else if (z.scalar_type() == at::kDouble)
        run<double>(z, rows, suppressed, out);
    else
        want(false, "only float32 and float64");
}

}  // namespace collimate
