// One decoding step of attention: rotate the new query and key, append the new key and value to the row's own cache, attend to the
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

template <typename T>
INLINE void rotate(const T* in, const T* cos, const T* sin, T* out, int64_t half) {
    for (int64_t i = 0; i < half; ++i) {
        T a = in[i], b = in[i + half];
        out[i] = a * cos[i] - b * sin[i];
        out[i + half] = b * cos[i] + a * sin[i];
    }
}

template <typename T>
struct Head {
    const T* q;         // [repeat, dim] of the new token, not rotated
    const T* k;         // [dim]
    const T* v;         // [dim]
    const T* cos;       // [dim / 2]
    const T* sin;
    const T* prefix_k;  // [prefix, dim]
    const T* prefix_v;
    T* own_k;           // [capacity, dim]
    T* own_v;
    T* out;             // [repeat, dim]
    T* scratch;         // scores [prefix + own + 1] and a rotated query [dim]
    int64_t prefix, own, dim, repeat;
    T scale;
};

template <typename T>
INLINE void attend_body(const Head<T>& h) {
    const int64_t half = h.dim / 2, total = h.prefix + h.own + 1;
    rotate(h.k, h.cos, h.sin, h.own_k + h.own * h.dim, half);
    std::copy(h.v, h.v + h.dim, h.own_v + h.own * h.dim);
    T* scores = h.scratch;
    T* q = h.scratch + total;
    for (int64_t r = 0; r < h.repeat; ++r) {
        rotate(h.q + r * h.dim, h.cos, h.sin, q, half);
        T top = -INFINITY;
        for (int64_t j = 0; j < total; ++j) {
            const T* key = j < h.prefix ? h.prefix_k + j * h.dim : h.own_k + (j - h.prefix) * h.dim;
            scores[j] = dot(q, key, h.dim) * h.scale;
            top = std::max(top, scores[j]);
        }
        T sum = 0;
        for (int64_t j = 0; j < total; ++j) {
            scores[j] = exp_of(scores[j] - top);
            sum += scores[j];
        }
        T* out = h.out + r * h.dim;
        std::fill(out, out + h.dim, T(0));
        for (int64_t j = 0; j < total; ++j) {
            const T* value = j < h.prefix ? h.prefix_v + j * h.dim : h.own_v + (j - h.prefix) * h.dim;
            const T w = scores[j] / sum;
            for (int64_t i = 0; i < h.dim; ++i) out[i] += w * value[i];
        }
    }
}

CLONES void attend(const Head<float>& h) { attend_body(h); }
CLONES void attend(const Head<double>& h) { attend_body(h); }

template <typename T>
void run(const at::Tensor& qkv, const at::Tensor& cos, const at::Tensor& sin, at::Tensor& own_k, at::Tensor& own_v, at::Tensor& out,
         rust::Slice<const DecodeRow> rows, rust::Slice<const size_t> prefix_k, rust::Slice<const size_t> prefix_v, const DecodeShape& s) {
    const int64_t dim = s.head_dim, groups = s.kv_heads, repeat = s.heads / s.kv_heads;
    const int64_t n = static_cast<int64_t>(rows.size()), width = (s.heads + 2 * s.kv_heads) * dim, capacity = own_k.size(2);
    int64_t longest = 0;
    for (const auto& row : rows) longest = std::max<int64_t>(longest, row.prefix_len + row.own_len + 1);
    const T* x = qkv.const_data_ptr<T>();
    const T* c = cos.const_data_ptr<T>();
    const T* d = sin.const_data_ptr<T>();
    T* ok = own_k.mutable_data_ptr<T>();
    T* ov = own_v.mutable_data_ptr<T>();
    T* y = out.mutable_data_ptr<T>();
    at::parallel_for(0, n * groups, 1, [&](int64_t begin, int64_t end) {
        std::vector<T> scratch(longest + dim);
        for (int64_t i = begin; i < end; ++i) {
            const int64_t r = i / groups, g = i % groups;
            const DecodeRow& row = rows[r];
            const T* in = x + r * width;
            const int64_t own = (row.slot * groups + g) * capacity * dim;
            Head<T> h;
            h.q = in + g * repeat * dim;
            h.k = in + (s.heads + g) * dim;
            h.v = in + (s.heads + groups + g) * dim;
            h.cos = c + r * (dim / 2);
            h.sin = d + r * (dim / 2);
            h.prefix_k = reinterpret_cast<const T*>(prefix_k[row.prefix]) + g * row.prefix_len * dim;
            h.prefix_v = reinterpret_cast<const T*>(prefix_v[row.prefix]) + g * row.prefix_len * dim;
            h.own_k = ok + own;
            h.own_v = ov + own;
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
    want(k.dim() == 4 && k.size(1) == shape.kv_heads && k.size(3) == shape.head_dim && v.sizes() == k.sizes(), "the cache has a wrong shape");
    want(y.numel() >= n * shape.heads * shape.head_dim, "out has a wrong shape");
    for (const auto& row : rows) {
        want(row.slot >= 0 && row.slot < k.size(0) && row.own_len >= 0 && row.own_len < k.size(2), "a row lies outside the cache");
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
