//! The logistic rule: the preferred answer wins with the probability that Bradley and Terry's model gives it.

use tch::Tensor;

use super::{PairRule, smoothed};
use crate::AlgoState;

/// `−log σ(β·(chosen − rejected) − γ)`, with labels that may be wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logistic {
    /// β.
    pub beta: f64,
    /// γ: by how much the preferred answer must win.
    pub margin: f64,
    /// ε: how often a label is taken to be wrong.
    pub label_smoothing: f64,
}

impl PairRule for Logistic {
    fn name(&self) -> &'static str {
        "preference::logistic"
    }

    fn each(&self, _: &mut AlgoState, chosen: &Tensor, rejected: &Tensor) -> Tensor {
        smoothed(&((chosen - rejected) * self.beta - self.margin), self.label_smoothing, |d| -d.log_sigmoid())
    }
}
