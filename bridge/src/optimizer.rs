//! Fused AdamW and clipping over lists of tensors.

use tch::Tensor;

use crate::{BridgeError, address, addresses, ffi::raw};

/// Hyper-parameters of AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// One AdamW step over lists of equal length, in place: parameters, gradients, both moments and the step counts (float32 scalars, which
/// this call counts up).
///
/// # Errors
/// When the lists or the tensors do not fit together.
pub fn fused_adamw(
    params: &[&Tensor],
    grads: &[&Tensor],
    exp_avg: &[&Tensor],
    exp_avg_sq: &[&Tensor],
    steps: &[&Tensor],
    knobs: AdamW,
) -> Result<(), BridgeError> {
    let list = |tensors: &[&Tensor]| tensors.iter().map(|t| address(t)).collect::<Vec<_>>();
    let knobs = raw::AdamWKnobs { lr: knobs.lr, beta1: knobs.beta1, beta2: knobs.beta2, eps: knobs.eps, weight_decay: knobs.weight_decay };
    Ok(raw::fused_adamw(&list(params), &list(grads), &list(exp_avg), &list(exp_avg_sq), &list(steps), &knobs)?)
}

/// The Euclidean norm of all elements of all tensors.
///
/// # Errors
/// When LibTorch refuses.
pub fn foreach_norm<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<f64, BridgeError> {
    Ok(raw::foreach_norm(&addresses(tensors))?)
}

/// Multiplies every tensor in place.
///
/// # Errors
/// When LibTorch refuses.
pub fn foreach_mul<'a>(tensors: impl IntoIterator<Item = &'a Tensor>, factor: f64) -> Result<(), BridgeError> {
    Ok(raw::foreach_mul(&addresses(tensors), factor)?)
}

/// Sets every tensor to zero in place.
///
/// # Errors
/// When LibTorch refuses.
pub fn foreach_zero<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<(), BridgeError> {
    Ok(raw::foreach_zero(&addresses(tensors))?)
}
