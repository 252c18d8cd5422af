// y = x·Wᵀ for few rows of x, as decoding needs it: the weights are read once, straight through, and every product is made while its
// weight is in a register. Libraries tile for square matrices and reach a fraction of the machine's speed here.
//
// Up to FEW rows, each output is a dot product whose sum runs over sixteen lanes. Above, rows of x are the lanes: xᵀ is laid out
// [K, rows] and each weight is broadcast. Which instruction set runs is chosen when the program starts; the order of additions depends
// on the number of rows, on nothing else.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "bridge.h"
#include "simd.h"

namespace collimate {
namespace {

typedef float Lanes __attribute__((vector_size(64), aligned(4), may_alias));
constexpr int64_t WIDTH = 16;
constexpr int64_t FEW = 8;
// How far ahead weights are asked for, in numbers: memory is the limit of few rows.
constexpr int64_t AHEAD = 1024;
// Numbers of xᵀ that are worked on together.
constexpr int64_t CACHED = 98304;

INLINE Lanes load(const float* p) { return *reinterpret_cast<const Lanes*>(p); }

// Halves are added to halves: four steps instead of fifteen.
INLINE float sum_of(Lanes v) {
    typedef int Places __attribute__((vector_size(64)));
    v += __builtin_shuffle(v, Places{8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7});
    v += __builtin_shuffle(v, Places{4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11});
    v += __builtin_shuffle(v, Places{2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13});
    return v[0] + v[1];
}

struct Job {
    const float* x;     // [rows, K]
    const float* xt;    // [K, rows padded], where rows are the lanes
    const float* w;     // [O, K]
    const float* bias;  // [O] or null
    float* y;           // [rows, O]
    int64_t rows, padded, k, o;
};

// One output after another, so that memory is read straight on; STEPS sums a row hide the latency of the additions.
template <int ROWS, int STEPS>
INLINE void dot_range(const Job& j, int64_t begin, int64_t end) {
    constexpr int64_t STRIDE = STEPS * WIDTH;
    for (int64_t o = begin; o < end; ++o) {
        const float* w = j.w + o * j.k;
        Lanes sum[STEPS][ROWS] = {};
        int64_t k = 0;
        for (; k + STRIDE <= j.k; k += STRIDE)
            for (int s = 0; s < STEPS; ++s) {
                const int64_t at = k + s * WIDTH;
                __builtin_prefetch(w + at + AHEAD);
                const Lanes a = load(w + at);
                for (int r = 0; r < ROWS; ++r) sum[s][r] += a * load(j.x + r * j.k + at);
            }
        for (; k + WIDTH <= j.k; k += WIDTH)
            for (int r = 0; r < ROWS; ++r) sum[0][r] += load(w + k) * load(j.x + r * j.k + k);
        for (int r = 0; r < ROWS; ++r) {
            for (int s = 1; s < STEPS; ++s) sum[0][r] += sum[s][r];
            float total = sum_of(sum[0][r]);
            for (int64_t rest = k; rest < j.k; ++rest) total += w[rest] * j.x[r * j.k + rest];
            j.y[r * j.o + o] = total + (j.bias ? j.bias[o] : 0.0f);
        }
    }
}

INLINE void few_rows(const Job& j, int64_t begin, int64_t end) {
    switch (j.rows) {
        case 1: return dot_range<1, 4>(j, begin, end);
        case 2: return dot_range<2, 4>(j, begin, end);
        case 3: return dot_range<3, 2>(j, begin, end);
        case 4: return dot_range<4, 2>(j, begin, end);
        case 5: return dot_range<5, 1>(j, begin, end);
        case 6: return dot_range<6, 1>(j, begin, end);
        case 7: return dot_range<7, 1>(j, begin, end);
        default: return dot_range<8, 1>(j, begin, end);
    }
}

// OUT outputs of VECS·16 rows by broadcast.
template <int OUT, int VECS>
INLINE void outer(const Job& j, int64_t o, int64_t row) {
    Lanes sum[OUT][VECS] = {};
    const float* w = j.w + o * j.k;
    for (int64_t k = 0; k < j.k; ++k) {
        Lanes x[VECS];
        for (int v = 0; v < VECS; ++v) x[v] = load(j.xt + k * j.padded + row + v * WIDTH);
        for (int i = 0; i < OUT; ++i)
            for (int v = 0; v < VECS; ++v) sum[i][v] += w[i * j.k + k] * x[v];
    }
    const int64_t count = std::min<int64_t>(VECS * WIDTH, j.rows - row);
    for (int v = 0; v < VECS; ++v)
        for (int64_t r = 0; r < WIDTH && v * WIDTH + r < count; ++r) {
            float* y = j.y + (row + v * WIDTH + r) * j.o + o;
            for (int i = 0; i < OUT; ++i) y[i] = sum[i][v][r] + (j.bias ? j.bias[o + i] : 0.0f);
        }
}

template <int OUT, int VECS>
INLINE void outer_range(const Job& j, int64_t begin, int64_t end, int64_t row) {
    int64_t o = begin;
    for (; o + OUT <= end; o += OUT) outer<OUT, VECS>(j, o, row);
    for (; o < end; ++o) outer<1, VECS>(j, o, row);
}

// A stretch of weights serves all rows before the next one is read.
template <int OUT, int VECS>
INLINE void many_rows(const Job& j, int64_t begin, int64_t end) {
    // Rows of x in turn, as many as stay in the second-level cache together.
    const int64_t block = std::max<int64_t>(CACHED / j.k / (VECS * WIDTH), 1) * VECS * WIDTH;
    for (int64_t first = 0; first < j.rows; first += block) {
        const int64_t last = std::min(j.rows, first + block);
        for (int64_t o = begin; o < end; o += 8 * OUT) {
            const int64_t stop = std::min(end, o + 8 * OUT);
            int64_t row = first;
            for (; row + WIDTH < last; row += VECS * WIDTH) outer_range<OUT, VECS>(j, o, stop, row);
            for (; row < last; row += WIDTH) outer_range<OUT, 1>(j, o, stop, row);
        }
    }
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
// Thirty-two registers of sixteen lanes hold twelve outputs of thirty-two rows.
__attribute__((target("arch=x86-64-v4"))) void few_wide(const Job& j, int64_t b, int64_t e) { few_rows(j, b, e); }
__attribute__((target("arch=x86-64-v4"))) void many_wide(const Job& j, int64_t b, int64_t e) { many_rows<12, 2>(j, b, e); }
bool wide() { return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"); }
#else
void few_wide(const Job& j, int64_t b, int64_t e) { few_rows(j, b, e); }
void many_wide(const Job& j, int64_t b, int64_t e) { many_rows<4, 1>(j, b, e); }
bool wide() { return false; }
#endif
CLONES void few_plain(const Job& j, int64_t b, int64_t e) { few_rows(j, b, e); }
CLONES void many_plain(const Job& j, int64_t b, int64_t e) { many_rows<6, 1>(j, b, e); }

// [rows, K] as [K, padded], zeros where there is no row.
void transpose(const Job& j, float* xt) {
    for (int64_t k = 0; k < j.k; ++k) {
        float* out = xt + k * j.padded;
        for (int64_t r = 0; r < j.rows; ++r) out[r] = j.x[r * j.k + k];
        for (int64_t r = j.rows; r < j.padded; ++r) out[r] = 0;
    }
}

}  // namespace

void few_rows_linear(size_t x, size_t weight, size_t bias, size_t out) {
    at::NoGradGuard no_grad;
    auto tensor = [](size_t a) -> const at::Tensor& { return *reinterpret_cast<at::Tensor*>(a); };
    auto want = [](bool good, const char* what) {
        if (!good) throw std::invalid_argument(std::string("few_rows_linear: ") + what);
    };
    auto plain = [&](const at::Tensor& t) { want(t.is_contiguous() && t.device().is_cpu() && t.scalar_type() == at::kFloat, "tensors must be contiguous float32 on the CPU"); };
    const at::Tensor &a = tensor(x), &w = tensor(weight), &y = tensor(out);
    plain(a), plain(w), plain(y);
    want(a.dim() == 2 && w.dim() == 2 && y.dim() == 2 && a.size(1) == w.size(1) && y.size(0) == a.size(0) && y.size(1) == w.size(0), "shapes do not fit");
    Job j{a.const_data_ptr<float>(), nullptr, w.const_data_ptr<float>(), nullptr, y.mutable_data_ptr<float>(), a.size(0), 0, a.size(1), w.size(0)};
    if (bias) {
        plain(tensor(bias));
        want(tensor(bias).numel() == j.o, "the bias has another width");
        j.bias = tensor(bias).const_data_ptr<float>();
    }
    if (j.rows == 0) return;
    static const bool vectors = wide();
    // Whole groups of outputs a thread, so that the result does not depend on how many threads there are.
    constexpr int64_t GROUP = 48;
    const int64_t groups = (j.o + GROUP - 1) / GROUP;
    thread_local std::vector<float> scratch;
    auto over = [&](void (*kernel)(const Job&, int64_t, int64_t)) {
        at::parallel_for(0, groups, 1, [&](int64_t b, int64_t e) { kernel(j, b * GROUP, std::min(j.o, e * GROUP)); });
    };
    if (j.rows <= FEW) {
        over(vectors ? few_wide : few_plain);
        return;
    }
    j.padded = (j.rows + WIDTH - 1) / WIDTH * WIDTH;
    if (static_cast<int64_t>(scratch.size()) < j.k * j.padded) scratch.resize(j.k * j.padded);
    transpose(j, scratch.data());
    j.xt = scratch.data();
    over(vectors ? many_wide : many_plain);
}

}  // namespace collimate
