// AdamW and clipping over lists of tensors, one call each.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <vector>

#include "bridge.h"
#include "collimate-bridge/src/ffi.rs.h"

namespace collimate {
namespace {

std::vector<at::Tensor> list(rust::Slice<const size_t> addresses) {
    std::vector<at::Tensor> tensors;
    tensors.reserve(addresses.size());
    for (size_t a : addresses) tensors.push_back(*reinterpret_cast<at::Tensor*>(a));
    return tensors;
}

}  // namespace

void fused_adamw(rust::Slice<const size_t> params, rust::Slice<const size_t> grads, rust::Slice<const size_t> exp_avg,
                 rust::Slice<const size_t> exp_avg_sq, rust::Slice<const size_t> steps, const AdamWKnobs& knobs) {
    at::NoGradGuard no_grad;
    auto p = list(params), g = list(grads), m = list(exp_avg), v = list(exp_avg_sq), s = list(steps);
    at::_foreach_add_(s, 1);  // the fused kernel reads the count of the step it makes
    at::_fused_adamw_(p, g, m, v, /*max_exp_avg_sqs=*/{}, s, knobs.lr, knobs.beta1, knobs.beta2, knobs.weight_decay, knobs.eps,
                      /*amsgrad=*/false, /*maximize=*/false);
}

double foreach_norm(rust::Slice<const size_t> tensors) {
    at::NoGradGuard no_grad;
    auto norms = at::_foreach_norm(list(tensors), 2);
    return at::stack(norms).norm(2).item<double>();
}

void foreach_mul(rust::Slice<const size_t> tensors, double factor) {
    at::NoGradGuard no_grad;
    auto t = list(tensors);
    at::_foreach_mul_(t, factor);
}

void foreach_zero(rust::Slice<const size_t> tensors) {
    at::NoGradGuard no_grad;
    auto t = list(tensors);
    at::_foreach_zero_(t);
}

}  // namespace collimate
