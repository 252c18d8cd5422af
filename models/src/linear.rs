//! Every projection of every architecture.

use collimate_bridge::{BridgeError, few_rows_linear};
use tch::{Kind, Tensor};

use crate::Param;

/// Up to so many rows the kernel for few rows is faster than LibTorch's product (docs/performance.md).
const FEW_ROWS: i64 = 256;

/// `x Wᵀ + b`, fast for few rows of float32.
///
/// # Errors
/// When shapes do not fit.
pub(crate) fn few(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, BridgeError> {
    if x.kind() == Kind::Float && x.size()[0] <= FEW_ROWS { few_rows_linear(x, weight, bias) } else { Ok(x.linear(weight, bias)) }
}

/// A projection `y = x Wᵀ + b` whose weight may fuse several projections of the same input (q, k, v; gate, up).
///
/// A layer's backward calls [`Linear::backward`] and knows nothing of what stands inside: a frozen base computes no `dW`.
#[derive(Debug)]
pub struct Linear {
    weight: Param,
    bias: Option<Param>,
}

impl Linear {
    /// From a weight `[out, in]` and a bias `[out]`.
    #[must_use]
    pub fn new(weight: Param, bias: Option<Param>) -> Self {
        Self { weight, bias }
    }

    /// Rows of activations.
    ///
    /// # Shapes
    /// `x [N, in]` → `[N, out]`
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(self.weight.value(), self.bias.as_ref().map(Param::value))
    }

    /// The same for decoding, where rows are few and the product must be made for few rows to be fast.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn decode(&self, x: &Tensor) -> Result<Tensor, BridgeError> {
        few(x, self.weight.value(), self.bias.as_ref().map(Param::value))
    }

    /// Accumulates the gradients of weight and bias and returns the gradient of the input: `dW += dyᵀ x`, `db += Σ dy`, `dx = dy W`.
    ///
    /// # Shapes
    /// `x [N, in]`, `dy [N, out]` → `[N, in]`
    pub fn backward(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        self.accumulate(x, dy);
        self.input_gradient(dy)
    }

    /// The first half of [`Linear::backward`]: the parameters' gradients, nothing for what is frozen.
    pub fn accumulate(&self, x: &Tensor, dy: &Tensor) {
        if self.weight.trainable() {
            let _ = self.weight.grad().addmm_(&dy.tr(), x);
        }
        if let Some(bias) = &self.bias {
            bias.accumulate(&dy.sum_dim_intlist([0_i64].as_slice(), false, dy.kind()));
        }
    }

    /// The second half of [`Linear::backward`]: the input's gradient.
    pub fn input_gradient(&self, dy: &Tensor) -> Tensor {
        dy.mm(self.weight.value())
    }

    /// The parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        std::iter::once(&self.weight).chain(&self.bias)
    }

    /// The parameters, to be frozen.
    pub fn params_mut(&mut self) -> impl Iterator<Item = &mut Param> {
        std::iter::once(&mut self.weight).chain(&mut self.bias)
    }

    /// Width of the output.
    #[must_use]
    pub fn out(&self) -> i64 {
        self.weight.value().size()[0]
    }
}
