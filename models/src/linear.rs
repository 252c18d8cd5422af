//! Every projection of every architecture.

use collimate_bridge::{BridgeError, few_rows_linear};
use collimate_types::Seed;
use tch::{Kind, Tensor};

use crate::{AdapterPass, LoraConfig, Param, adapter::Adapter};

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
/// A layer's backward calls [`Linear::backward`] and knows nothing of what stands inside: a frozen base computes no `dW`, and an adapter
/// adds its low-rank product in every pass, as [`AdapterPass`] says.
#[derive(Debug)]
pub struct Linear {
    weight: Param,
    bias: Option<Param>,
    adapter: Option<Adapter>,
}

impl Linear {
    /// From a weight `[out, in]` and a bias `[out]`.
    #[must_use]
    pub fn new(weight: Param, bias: Option<Param>) -> Self {
        Self { weight, bias, adapter: None }
    }

    /// Gives the pieces that are wanted (modules such as `model.layers.0.self_attn.q_proj`) an adapter that changes nothing yet.
    pub(crate) fn adapt(&mut self, wanted: &dyn Fn(&str) -> bool, config: &LoraConfig, seed: Seed) {
        self.adapter = Adapter::new(&self.weight, wanted, config, seed);
    }

    /// The adapter as it is now becomes what [`crate::AdapterMode::Start`] sees.
    pub(crate) fn keep_start(&mut self) {
        if let Some(adapter) = &mut self.adapter {
            adapter.keep_start();
        }
    }

    /// Adds the adapter to the weight, where the weight lies.
    pub(crate) fn merge(&mut self) {
        if let Some(adapter) = self.adapter.take() {
            adapter.merge_into(&self.weight);
        }
    }

    /// The modules the weight fuses.
    pub(crate) fn modules(&self) -> impl Iterator<Item = &str> {
        self.weight.pieces().iter().filter_map(|p| p.name.strip_suffix(".weight"))
    }

    /// Rows of activations.
    ///
    /// # Shapes
    /// `x [N, in]` → `[N, out]`
    pub fn forward(&self, x: &Tensor, pass: &AdapterPass) -> Tensor {
        let y = x.linear(self.weight.value(), self.bias.as_ref().map(Param::value));
        if let Some(adapter) = &self.adapter {
            adapter.add(x, &y, pass);
        }
        y
    }

    /// The same for decoding, where rows are few and the product must be made for few rows to be fast.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn decode(&self, x: &Tensor, pass: &AdapterPass) -> Result<Tensor, BridgeError> {
        let y = few(x, self.weight.value(), self.bias.as_ref().map(Param::value))?;
        if let Some(adapter) = &self.adapter {
            adapter.add_few(x, &y, pass)?;
        }
        Ok(y)
    }

    /// Accumulates the gradients of weight and bias and returns the gradient of the input: `dW += dyᵀ x`, `db += Σ dy`, `dx = dy W`.
    ///
    /// # Shapes
    /// `x [N, in]`, `dy [N, out]` → `[N, in]`
    pub fn backward(&self, x: &Tensor, dy: &Tensor, pass: &AdapterPass) -> Tensor {
        self.accumulate(x, dy, pass);
        self.input_gradient(dy, pass)
    }

    /// The first half of [`Linear::backward`]: the parameters' gradients, nothing for what is frozen.
    pub fn accumulate(&self, x: &Tensor, dy: &Tensor, pass: &AdapterPass) {
        if self.weight.trainable() {
            let _ = self.weight.grad().addmm_(&dy.tr(), x);
        }
        if let Some(bias) = self.bias.as_ref().filter(|b| b.trainable()) {
            bias.accumulate(&dy.sum_dim_intlist([0_i64].as_slice(), false, dy.kind()));
        }
        if let Some(adapter) = &self.adapter {
            adapter.accumulate(x, dy, pass);
        }
    }

    /// The second half of [`Linear::backward`]: the input's gradient.
    pub fn input_gradient(&self, dy: &Tensor, pass: &AdapterPass) -> Tensor {
        let dx = dy.mm(self.weight.value());
        if let Some(adapter) = &self.adapter {
            adapter.add_input_gradient(dy, &dx, pass);
        }
        dx
    }

    /// The parameters, those of the adapter last.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        let adapter = self.adapter.iter().flat_map(Adapter::params);
        std::iter::once(&self.weight).chain(&self.bias).chain(adapter)
    }

    /// The parameters, to be frozen.
    pub fn params_mut(&mut self) -> impl Iterator<Item = &mut Param> {
        let adapter = self.adapter.iter_mut().flat_map(Adapter::params_mut);
        std::iter::once(&mut self.weight).chain(&mut self.bias).chain(adapter)
    }

    /// Width of the output.
    #[must_use]
    pub fn out(&self) -> i64 {
        self.weight.value().size()[0]
    }
}
