//! AdamW over a model's parameters, with clipping.

use std::collections::BTreeMap;
use std::io;

use collimate_bridge::{AdamW, foreach_mul, foreach_norm, foreach_zero, fused_adamw};
use collimate_models::{Head, Model, Param, TensorFile, write_tensors};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::LearnerError;

/// Hyper-parameters that stay the same over a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OptimizerConfig {
    /// Decays of the moments.
    pub betas: (f64, f64),
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay on every parameter.
    pub weight_decay: f64,
    /// Largest norm of the whole gradient; 0 = no clipping.
    pub clip_grad: f64,
}

/// The part of the state that is a number; the moments are written beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OptimizerState {
    /// Updates made.
    pub updates: u64,
}

/// AdamW with its moments. The lists follow the order of [`Model::params`].
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    state: OptimizerState,
    first: Vec<Tensor>,
    second: Vec<Tensor>,
    steps: Vec<Tensor>,
}

/// Added to the norm before dividing, as `clip_grad_norm_` does.
const CLIP_EPS: f64 = 1e-6;

impl Optimizer {
    /// An optimizer before its first update.
    #[must_use]
    pub fn new<H: Head>(model: &Model<H>, config: OptimizerConfig) -> Self {
        // Gradients are made now, not at the first backward pass: kept buffers among freed ones would break the heap into pieces.
        trained(model).for_each(|p| drop(p.grad()));
        let zeros = || trained(model).map(|p| p.value().detach().zeros_like()).collect::<Vec<_>>();
        let steps = trained(model).map(|_| Tensor::from(0.0_f32)).collect();
        Self { config, state: OptimizerState::default(), first: zeros(), second: zeros(), steps }
    }

    /// Updates made.
    #[must_use]
    pub fn state(&self) -> OptimizerState {
        self.state
    }

    /// The Euclidean norm of the accumulated gradient.
    ///
    /// # Errors
    /// When LibTorch refuses.
    pub fn grad_norm<H: Head>(&self, model: &Model<H>) -> Result<f64, LearnerError> {
        let grads: Vec<Tensor> = trained(model).map(Param::grad).collect();
        Ok(foreach_norm(&grads)?)
    }

    /// Clips by the norm just measured, makes one AdamW step at rate `lr` and clears the gradient.
    ///
    /// # Errors
    /// When LibTorch refuses.
    pub fn step<H: Head>(&mut self, model: &Model<H>, lr: f64, grad_norm: f64) -> Result<(), LearnerError> {
        let grads: Vec<Tensor> = trained(model).map(Param::grad).collect();
        let limit = self.config.clip_grad;
        if limit > 0.0 && grad_norm + CLIP_EPS > limit {
            foreach_mul(&grads, limit / (grad_norm + CLIP_EPS))?;
        }
        let values: Vec<Tensor> = trained(model).map(|p| p.value().detach()).collect();
        let OptimizerConfig { betas: (beta1, beta2), eps, weight_decay, .. } = self.config;
        let refs = |t: &'_ [Tensor]| -> Vec<Tensor> { t.iter().map(Tensor::shallow_clone).collect() };
        let (first, second, steps) = (refs(&self.first), refs(&self.second), refs(&self.steps));
        let [values, of, first, second, steps] = [&values, &grads, &first, &second, &steps].map(|t| t.iter().collect::<Vec<_>>());
        fused_adamw(&values, &of, &first, &second, &steps, AdamW { lr, beta1, beta2, eps, weight_decay })?;
        self.state.updates += 1;
        self.clear(model)
    }

    /// Clears the gradient without a step.
    ///
    /// # Errors
    /// When LibTorch refuses.
    pub fn clear<H: Head>(&self, model: &Model<H>) -> Result<(), LearnerError> {
        let grads: Vec<Tensor> = trained(model).map(Param::grad).collect();
        Ok(foreach_zero(&grads)?)
    }

    /// Writes both moments of every parameter as safetensors, under `exp_avg.<name>` and `exp_avg_sq.<name>`.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write<H: Head>(&self, model: &Model<H>, out: &mut dyn io::Write) -> Result<(), LearnerError> {
        Ok(write_tensors(out, &self.parts(model), &BTreeMap::new())?)
    }

    /// Reads what [`Optimizer::write`] wrote.
    ///
    /// # Errors
    /// When a moment is missing or has another shape: the file is of another model.
    pub fn read<H: Head>(&mut self, model: &Model<H>, file: &TensorFile, state: OptimizerState) -> Result<(), LearnerError> {
        for (name, mut part) in self.parts(model) {
            file.read(&name, &mut part)?;
        }
        for count in &mut self.steps {
            let _ = count.fill_(state.updates as f64);
        }
        self.state = state;
        Ok(())
    }

    /// Views of all moments by name.
    fn parts<H: Head>(&self, model: &Model<H>) -> Vec<(String, Tensor)> {
        let mut parts = Vec::new();
        for (moment, tensors) in [("exp_avg", &self.first), ("exp_avg_sq", &self.second)] {
            for (param, tensor) in trained(model).zip(tensors) {
                let piece = |p: &collimate_models::Piece| (format!("{moment}.{}", p.name), tensor.narrow(0, p.start, p.rows));
                parts.extend(param.pieces().iter().map(piece));
            }
        }
        parts
    }
}

fn trained<H: Head>(model: &Model<H>) -> impl Iterator<Item = &Param> {
    model.params().into_iter().filter(|p| p.trainable())
}
