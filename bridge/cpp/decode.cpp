// One decoding step of attention: rotate the new query and key in place, append the new key and value to the row's own cache, attend to the
// prompt's shared keys and the row's own. A row reads its group's prompt where it lies: nothing is copied or padded.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "bridge.h"
#include "collimate-bridge/src/ffi.rs.h"
#include "simd.h"

namespace collimate {
namespace {

// Keys lie with the position innermost, so that sixteen scores are made at once from sixteen neighbours and nothing is summed across a
// vector. Rows of keys are padded to this many positions.
constexpr int64_t LANES = 16;

template <typename T>
INLINE void rotate(T* x, const T* cos, const T* sin, int64_t half) {
    for (int64_t i = 0; i < half; ++i) {
        const T a = x[i], b = x[i + half];
        x[i] = a * cos[i] - b * sin[i];
        x[i + half] = b * cos[i] + a * sin[i];
    }
}

template <typename T>
struct Head {
    T* q;               // [repeat, dim] of the new token, rotated in place
    T* k;               // [dim], rotated in place
    const T* v;         // [dim]
    const T* cos;       // [dim / 2]
    const T* sin;
    const T* prefix_k;  // [dim, prefix padded]
    const T* prefix_v;  // [prefix, dim]
    T* own_k;           // [dim, capacity padded]
    T* own_v;           // [capacity, dim]
    T* out;             // [repeat, dim]
    T* scratch;         // scores [prefix padded + own padded]
    int64_t prefix, own, dim, repeat, capacity;
    T scale;
};

INLINE int64_t padded(int64_t n) { return (n + LANES - 1) / LANES * LANES; }

// scores[0..W] = scale · Σ_d q[d]·keys[d][0..W]
template <int W, typename T>
INLINE void score_block(const T* q, const T* keys, int64_t stride, int64_t dim, T scale, T* scores) {
    T sum[W] = {0};
    for (int64_t d = 0; d < dim; ++d) {
        const T a = q[d];
        const T* key = keys + d * stride;
        for (int j = 0; j < W; ++j) sum[j] += a * key[j];
    }
    for (int j = 0; j < W; ++j) scores[j] = sum[j] * scale;
}

template <typename T>
INLINE void score(const T* q, const T* keys, int64_t stride, int64_t length, int64_t dim, T scale, T* scores) {
    int64_t j = 0;
    for (; j + 4 * LANES <= length; j += 4 * LANES) score_block<4 * LANES>(q, keys + j, stride, dim, scale, scores + j);
    for (; j < length; j += LANES) score_block<LANES>(q, keys + j, stride, dim, scale, scores + j);
}

// out[0..W] += Σ_j weights[j]·values[j][0..W]
template <int W, typename T>
INLINE void mix_block(const T* weights, const T* values, int64_t length, int64_t dim, T* out) {
    T sum[W];
    for (int i = 0; i < W; ++i) sum[i] = out[i];
    for (int64_t j = 0; j < length; ++j) {
        const T w = weights[j];
        const T* value = values + j * dim;
        for (int i = 0; i < W; ++i) sum[i] += w * value[i];
    }
    for (int i = 0; i < W; ++i) out[i] = sum[i];
}

template <typename T>
INLINE void mix(const T* weights, const T* values, int64_t length, int64_t dim, T* out) {
    int64_t i = 0;
    for (; i + 4 * LANES <= dim; i += 4 * LANES) mix_block<4 * LANES>(weights, values + i, length, dim, out + i);
    for (; i + LANES <= dim; i += LANES) mix_block<LANES>(weights, values + i, length, dim, out + i);
    for (; i < dim; ++i) mix_block<1>(weights, values + i, length, dim, out + i);
}

template <typename T>
INLINE T largest(const T* x, int64_t n, T top) {
    T tops[LANES];
    for (int i = 0; i < LANES; ++i) tops[i] = top;
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES)
        for (int i = 0; i < LANES; ++i) tops[i] = x[j + i] > tops[i] ? x[j + i] : tops[i];
    for (; j < n; ++j) top = x[j] > top ? x[j] : top;
    for (int i = 0; i < LANES; ++i) top = tops[i] > top ? tops[i] : top;
    return top;
}

// x becomes exp(x − top), zero in the padding behind `n`; returns the sum.
template <typename T>
INLINE T exponentials(T* x, int64_t n, T top) {
    const int64_t all = padded(n);
    for (int64_t j = 0; j < all; ++j) x[j] = exp_of(x[j] - top);
    for (int64_t j = n; j < all; ++j) x[j] = 0;
    T sums[LANES] = {0}, sum = 0;
    for (int64_t j = 0; j < all; j += LANES)
        for (int i = 0; i < LANES; ++i) sums[i] += x[j + i];
    for (int i = 0; i < LANES; ++i) sum += sums[i];
    return sum;
}

template <typename T>
INLINE void attend_body(const Head<T>& h) {
    const int64_t half = h.dim / 2, own = h.own + 1;
    rotate(h.k, h.cos, h.sin, half);
    for (int64_t d = 0; d < h.dim; ++d) h.own_k[d * h.capacity + h.own] = h.k[d];
    std::copy(h.v, h.v + h.dim, h.own_v + h.own * h.dim);
    T *of_prefix = h.scratch, *of_own = h.scratch + padded(h.prefix);
    for (int64_t r = 0; r < h.repeat; ++r) {
        T* q = h.q + r * h.dim;
        T* out = h.out + r * h.dim;
        rotate(q, h.cos, h.sin, half);
        score(q, h.prefix_k, padded(h.prefix), h.prefix, h.dim, h.scale, of_prefix);
        score(q, h.own_k, h.capacity, own, h.dim, h.scale, of_own);
        const T top = largest(of_own, own, largest(of_prefix, h.prefix, static_cast<T>(-INFINITY)));
        const T part = exponentials(of_prefix, h.prefix, top), sum = part + exponentials(of_own, own, top);
        std::fill(out, out + h.dim, T(0));
        mix(of_prefix, h.prefix_v, h.prefix, h.dim, out);
        mix(of_own, h.own_v, own, h.dim, out);
        for (int64_t i = 0; i < h.dim; ++i) out[i] /= sum;
    }
}

CLONES void attend(const Head<float>& h) { attend_body(h); }
CLONES void attend(const Head<double>& h) { attend_body(h); }

template <typename T>
void run(at::Tensor& qkv, const at::Tensor& cos, const at::Tensor& sin, at::Tensor& own_k, at::Tensor& own_v, at::Tensor& out,
         rust::Slice<const DecodeRow> rows, rust::Slice<const size_t> prefix_k, rust::Slice<const size_t> prefix_v, const DecodeShape& s) {
    const int64_t dim = s.head_dim, groups = s.kv_heads, repeat = s.heads / s.kv_heads;
    const int64_t n = static_cast<int64_t>(rows.size()), width = (s.heads + 2 * s.kv_heads) * dim, capacity = own_k.size(3);
    int64_t longest = 0;
    for (const auto& row : rows) longest = std::max<int64_t>(longest, padded(row.prefix_len) + padded(row.own_len + 1));
    T* x = qkv.mutable_data_ptr<T>();
    const T* c = cos.const_data_ptr<T>();
    const T* d = sin.const_data_ptr<T>();
    T* ok = own_k.mutable_data_ptr<T>();
    T* ov = own_v.mutable_data_ptr<T>();
    T* y = out.mutable_data_ptr<T>();
    at::parallel_for(0, n * groups, 1, [&](int64_t begin, int64_t end) {
        std::vector<T> scratch(longest);
        for (int64_t i = begin; i < end; ++i) {
            const int64_t r = i / groups, g = i % groups;
            const DecodeRow& row = rows[r];
            T* in = x + r * width;
            const int64_t own = (row.slot * groups + g) * capacity * dim;
            Head<T> h;
            h.q = in + g * repeat * dim;
            h.k = in + (s.heads + g) * dim;
            h.v = in + (s.heads + groups + g) * dim;
            h.cos = c + r * (dim / 2);
            h.sin = d + r * (dim / 2);
            h.prefix_k = reinterpret_cast<const T*>(prefix_k[row.prefix]) + g * padded(row.prefix_len) * dim;
            h.prefix_v = reinterpret_cast<const T*>(prefix_v[row.prefix]) + g * row.prefix_len * dim;
            h.own_k = ok + own;
            h.own_v = ov + own;
            h.capacity = capacity;
            h.out = y + (r * s.heads + g * repeat) * dim;
            h.scratch = scratch.data();
            h.prefix = row.prefix_len;
            h.own = row.own_len;
            h.dim = dim;
            h.repeat = repeat;
            h.scale = static_cast<T>(s.scale);
            attend(h);
        }
    });
}

void want(bool good, const char* what) {
    if (!good) throw std::invalid_argument(std::string("decode_attention: ") + what);
}

}  // namespace

void decode_attention(size_t qkv, size_t cos, size_t sin, size_t own_k, size_t own_v, size_t out, rust::Slice<const DecodeRow> rows,
                      rust::Slice<const size_t> prefix_k, rust::Slice<const size_t> prefix_v, const DecodeShape& shape) {
    at::NoGradGuard no_grad;
    auto tensor = [](size_t a) -> at::Tensor& { return *reinterpret_cast<at::Tensor*>(a); };
    at::Tensor &x = tensor(qkv), &c = tensor(cos), &s = tensor(sin), &k = tensor(own_k), &v = tensor(own_v), &y = tensor(out);
    const int64_t n = static_cast<int64_t>(rows.size());
    for (const at::Tensor& t : {x, c, s, k, v, y}) want(t.is_contiguous() && t.device().is_cpu(), "tensors must be contiguous, on the CPU");
    for (const at::Tensor& t : {c, s, k, v, y}) want(t.scalar_type() == x.scalar_type(), "tensors must be of one kind");
    want(x.dim() == 2 && x.size(0) >= n && x.size(1) == (shape.heads + 2 * shape.kv_heads) * shape.head_dim, "qkv has a wrong shape");
    want(c.size(0) >= n && c.size(1) * 2 == shape.head_dim && s.sizes() == c.sizes(), "cos and sin have a wrong shape");
    want(v.dim() == 4 && v.size(1) == shape.kv_heads && v.size(3) == shape.head_dim && k.numel() == v.numel(), "the cache has a wrong shape");
    want(k.dim() == 4 && k.size(2) == shape.head_dim && k.size(3) % LANES == 0, "the cache of keys has a wrong shape");
    want(y.numel() >= n * shape.heads * shape.head_dim, "out has a wrong shape");
    for (const auto& row : rows) {
        want(row.slot >= 0 && row.slot < k.size(0) && row.own_len >= 0 && row.own_len < k.size(3), "a row lies outside the cache");
        want(row.prefix < prefix_k.size() && row.prefix < prefix_v.size() && row.prefix_len >= 0, "a row names an unknown prefix");
    }
    if (x.scalar_type() == at::kFloat)
        run<float>(x, c, s, k, v, y, rows, prefix_k, prefix_v, shape);
    else if (x.scalar_type() == at::kDouble)
        run<double>(x, c, s, k, v, y, rows, prefix_k, prefix_v, shape);
    else
        want(false, "only float32 and float64 are decoded");
}

}  // namespace collimate
