// The elementwise work of a transformer layer, one pass over memory each, forward and backward.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "bridge.h"
#include "simd.h"

namespace collimate {
namespace {

at::Tensor& tensor(size_t a) { return *reinterpret_cast<at::Tensor*>(a); }

void want(bool good, const char* name, const char* what) {
    if (!good) throw std::invalid_argument(std::string(name) + ": " + what);
}

// All contiguous float32 or all contiguous float64, on the CPU.
void alike(const char* name, std::initializer_list<const at::Tensor*> all) {
    for (const at::Tensor* t : all) {
        want(t->defined() && t->is_contiguous() && t->device().is_cpu(), name, "tensors must be contiguous, on the CPU");
        want(t->scalar_type() == (*all.begin())->scalar_type(), name, "tensors must be of one kind");
    }
    const auto kind = (*all.begin())->scalar_type();
    want(kind == at::kFloat || kind == at::kDouble, name, "only float32 and float64");
}

template <typename T>
INLINE void norm_row(const T* x, const T* w, T* y, int64_t n, T eps) {
    const T r = 1 / std::sqrt(dot(x, x, n) / n + eps);
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] * r * w[i];
}

// dx = r·(w·dy − x·r²·mean(w·dy·x)), dw += dy·x·r
template <typename T>
INLINE void norm_row_back(const T* x, const T* w, const T* dy, T* dx, T* dw, T* scratch, int64_t n, T eps) {
    const T r = 1 / std::sqrt(dot(x, x, n) / n + eps);
    for (int64_t i = 0; i < n; ++i) scratch[i] = w[i] * dy[i];
    const T mean = dot(scratch, x, n) / n * r * r;
    for (int64_t i = 0; i < n; ++i) {
        dx[i] += r * (scratch[i] - x[i] * mean);
        dw[i] += dy[i] * x[i] * r;
    }
}

template <typename T>
INLINE void silu_row(const T* g, const T* u, T* y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = g[i] / (1 + exp_of(-g[i])) * u[i];
}

// y = silu(g)·u;  dg = dy·u·s·(1 + g·(1 − s)), du = dy·silu(g) with s = sigmoid(g)
template <typename T>
INLINE void silu_row_back(const T* g, const T* u, const T* dy, T* y, T* dg, T* du, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        const T s = 1 / (1 + exp_of(-g[i]));
        const T silu = g[i] * s;
        y[i] = silu * u[i];
        du[i] = dy[i] * silu;
        dg[i] = dy[i] * u[i] * s * (1 + g[i] * (1 - s));
    }
}

template <typename T>
INLINE void rotate_row(T* x, const T* cos, const T* sin, int64_t heads, int64_t half, T sign) {
    for (int64_t h = 0; h < heads; ++h, x += 2 * half)
        for (int64_t i = 0; i < half; ++i) {
            const T a = x[i], b = x[i + half], s = sign * sin[i];
            x[i] = a * cos[i] - b * s;
            x[i + half] = b * cos[i] + a * s;
        }
}

CLONES void norm_clone(const float* x, const float* w, float* y, int64_t n, float e) { norm_row(x, w, y, n, e); }
CLONES void norm_clone(const double* x, const double* w, double* y, int64_t n, double e) { norm_row(x, w, y, n, e); }
CLONES void norm_back_clone(const float* x, const float* w, const float* dy, float* dx, float* dw, float* s, int64_t n, float e) {
    norm_row_back(x, w, dy, dx, dw, s, n, e);
}
CLONES void norm_back_clone(const double* x, const double* w, const double* dy, double* dx, double* dw, double* s, int64_t n, double e) {
    norm_row_back(x, w, dy, dx, dw, s, n, e);
}
CLONES void silu_clone(const float* g, const float* u, float* y, int64_t n) { silu_row(g, u, y, n); }
CLONES void silu_clone(const double* g, const double* u, double* y, int64_t n) { silu_row(g, u, y, n); }
CLONES void silu_back_clone(const float* g, const float* u, const float* dy, float* y, float* dg, float* du, int64_t n) {
    silu_row_back(g, u, dy, y, dg, du, n);
}
CLONES void silu_back_clone(const double* g, const double* u, const double* dy, double* y, double* dg, double* du, int64_t n) {
    silu_row_back(g, u, dy, y, dg, du, n);
}
CLONES void rotate_clone(float* x, const float* c, const float* s, int64_t heads, int64_t half, float sign) {
    rotate_row(x, c, s, heads, half, sign);
}
CLONES void rotate_clone(double* x, const double* c, const double* s, int64_t heads, int64_t half, double sign) {
    rotate_row(x, c, s, heads, half, sign);
}

// Calls f with a value of the tensors' type.
template <typename F>
void dispatch(const at::Tensor& t, F f) {
    if (t.scalar_type() == at::kFloat)
        f(float{});
    else
        f(double{});
}

constexpr int64_t ROWS_A_TASK = 16;

}  // namespace

void rms_norm(size_t x, size_t weight, double eps, size_t out) {
    const at::Tensor &a = tensor(x), &w = tensor(weight), &y = tensor(out);
    alike("rms_norm", {&a, &w, &y});
    want(a.dim() == 2 && w.dim() == 1 && w.size(0) == a.size(1) && y.sizes() == a.sizes(), "rms_norm", "shapes do not fit");
    const int64_t n = a.size(1);
    dispatch(a, [&](auto zero) {
        using T = decltype(zero);
        const T *ap = a.const_data_ptr<T>(), *wp = w.const_data_ptr<T>();
        T* yp = y.mutable_data_ptr<T>();
        at::parallel_for(0, a.size(0), ROWS_A_TASK, [&](int64_t b, int64_t e) {
            for (int64_t i = b; i < e; ++i) norm_clone(ap + i * n, wp, yp + i * n, n, static_cast<T>(eps));
        });
    });
}

void rms_norm_backward(size_t x, size_t weight, double eps, size_t dy, size_t dx, size_t dweight) {
    const at::Tensor &a = tensor(x), &w = tensor(weight), &g = tensor(dy), &d = tensor(dx), &dw = tensor(dweight);
    alike("rms_norm_backward", {&a, &w, &g, &d, &dw});
    const bool fits = a.dim() == 2 && w.numel() == a.size(1) && dw.numel() == w.numel() && g.sizes() == a.sizes() && d.sizes() == a.sizes();
    want(fits, "rms_norm_backward", "shapes do not fit");
    const int64_t n = a.size(1), rows = a.size(0);
    // Sums over rows are taken in fixed parts and added up in order, so that they do not depend on the number of threads.
    const int64_t parts = std::min<int64_t>(16, std::max<int64_t>(1, rows / ROWS_A_TASK)), size = (rows + parts - 1) / parts;
    dispatch(a, [&](auto zero) {
        using T = decltype(zero);
        const T *ap = a.const_data_ptr<T>(), *wp = w.const_data_ptr<T>(), *gp = g.const_data_ptr<T>();
        T *dp = d.mutable_data_ptr<T>(), *dwp = dw.mutable_data_ptr<T>();
        std::vector<T> sums(parts * n, T(0)), scratch(parts * n);
        at::parallel_for(0, parts, 1, [&](int64_t b, int64_t e) {
            for (int64_t p = b; p < e; ++p)
                for (int64_t i = p * size; i < std::min(rows, (p + 1) * size); ++i)
                    norm_back_clone(ap + i * n, wp, gp + i * n, dp + i * n, sums.data() + p * n, scratch.data() + p * n, n, static_cast<T>(eps));
        });
        for (int64_t p = 0; p < parts; ++p)
            for (int64_t i = 0; i < n; ++i) dwp[i] += sums[p * n + i];
    });
}

void silu_mul(size_t gate_up, size_t out) {
    const at::Tensor &a = tensor(gate_up), &y = tensor(out);
    alike("silu_mul", {&a, &y});
    want(a.dim() == 2 && y.dim() == 2 && y.size(0) == a.size(0) && 2 * y.size(1) == a.size(1), "silu_mul", "shapes do not fit");
    const int64_t n = y.size(1);
    dispatch(a, [&](auto zero) {
        using T = decltype(zero);
        const T* ap = a.const_data_ptr<T>();
        T* yp = y.mutable_data_ptr<T>();
        at::parallel_for(0, a.size(0), ROWS_A_TASK, [&](int64_t b, int64_t e) {
            for (int64_t i = b; i < e; ++i) silu_clone(ap + 2 * i * n, ap + (2 * i + 1) * n, yp + i * n, n);
        });
    });
}

void silu_mul_backward(size_t gate_up, size_t dy, size_t out, size_t dgate_up) {
    const at::Tensor &a = tensor(gate_up), &g = tensor(dy), &y = tensor(out), &d = tensor(dgate_up);
    alike("silu_mul_backward", {&a, &g, &y, &d});
    const bool fits = a.dim() == 2 && g.dim() == 2 && g.size(0) == a.size(0) && 2 * g.size(1) == a.size(1) && y.sizes() == g.sizes() && d.sizes() == a.sizes();
    want(fits, "silu_mul_backward", "shapes do not fit");
    const int64_t n = g.size(1);
    dispatch(a, [&](auto zero) {
        using T = decltype(zero);
        const T *ap = a.const_data_ptr<T>(), *gp = g.const_data_ptr<T>();
        T *yp = y.mutable_data_ptr<T>(), *dp = d.mutable_data_ptr<T>();
        at::parallel_for(0, a.size(0), ROWS_A_TASK, [&](int64_t b, int64_t e) {
            for (int64_t i = b; i < e; ++i)
                silu_back_clone(ap + 2 * i * n, ap + (2 * i + 1) * n, gp + i * n, yp + i * n, dp + 2 * i * n, dp + (2 * i + 1) * n, n);
        });
    });
}

void rotate_heads(size_t x, int64_t heads, size_t cos, size_t sin, bool back) {
    const at::Tensor &a = tensor(x), &c = tensor(cos), &s = tensor(sin);
    alike("rotate_heads", {&a, &c, &s});
    const bool fits = a.dim() == 2 && c.dim() == 2 && c.size(0) == a.size(0) && s.sizes() == c.sizes() && heads * 2 * c.size(1) <= a.size(1);
    want(fits, "rotate_heads", "shapes do not fit");
    const int64_t half = c.size(1), width = a.size(1);
    dispatch(a, [&](auto zero) {
        using T = decltype(zero);
        T* ap = a.mutable_data_ptr<T>();
        const T *cp = c.const_data_ptr<T>(), *sp = s.const_data_ptr<T>();
        at::parallel_for(0, a.size(0), ROWS_A_TASK, [&](int64_t b, int64_t e) {
            for (int64_t i = b; i < e; ++i) rotate_clone(ap + i * width, cp + i * half, sp + i * half, heads, half, back ? T(-1) : T(1));
        });
    });
}

}  // namespace collimate
