//! What a loss is computed from, and what it gives.

use tch::{Kind, Tensor};

use crate::{AlgorithmError, Stats, shape};

/// The leaves of a micro-batch: rows of completions, padded at the end. All tensors are `[B, T]` of one float kind.
#[derive(Debug, Clone, Copy)]
pub struct Leaves<'a> {
    /// Log-probability of each drawn token under the policy, at the sampling temperature. The gradient is taken with respect to this.
    pub logp: &'a Tensor,
    /// The same under the policy that sampled.
    pub logp_old: &'a Tensor,
    /// The same under the reference, if [`crate::Needs::reference`].
    pub logp_ref: Option<&'a Tensor>,
    /// Entropy of the policy at each position, if [`crate::Needs::entropy`]; a gradient may be taken with respect to this too.
    pub entropy: Option<&'a Tensor>,
    /// Credit of each token.
    pub advantage: &'a Tensor,
    /// 1 where a token takes part in training, 0 elsewhere (padding, rows without a score).
    pub trained: &'a Tensor,
}

impl<'a> Leaves<'a> {
    /// Checks all shapes.
    ///
    /// # Errors
    /// When one differs from `logp`'s.
    pub fn check(&self, site: &'static str) -> Result<(), AlgorithmError> {
        let mut all = vec![
            ("logp", self.logp, "BT"),
            ("logp_old", self.logp_old, "BT"),
            ("advantage", self.advantage, "BT"),
            ("trained", self.trained, "BT"),
        ];
        all.extend(self.logp_ref.map(|t| ("logp_ref", t, "BT")));
        all.extend(self.entropy.map(|t| ("entropy", t, "BT")));
        shape::bind(site, &all).map(|_| ())
    }

    /// The reference's log-probabilities.
    ///
    /// # Errors
    /// When they are not there.
    pub fn reference(&self, site: &'static str) -> Result<&'a Tensor, AlgorithmError> {
        self.logp_ref.ok_or(AlgorithmError::Missing { site, name: "logp_ref" })
    }

    /// The entropies.
    ///
    /// # Errors
    /// When they are not there.
    pub fn entropies(&self, site: &'static str) -> Result<&'a Tensor, AlgorithmError> {
        self.entropy.ok_or(AlgorithmError::Missing { site, name: "entropy" })
    }

    /// Float or Double.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.logp.kind()
    }
}

/// What sums are divided by: counted over the WHOLE batch of an optimizer update, so that micro-batches add up to the same loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Denominators {
    /// Tokens that take part.
    pub tokens: f64,
    /// Rows with at least one such token.
    pub rows: f64,
    /// Groups with at least one such row.
    pub groups: f64,
    /// The longest completion that was allowed, in tokens.
    pub max_new_tokens: f64,
}

/// A loss.
#[derive(Debug)]
pub struct LossOutput {
    /// This micro-batch's share of the policy's loss: a scalar that carries its gradient.
    pub policy: Tensor,
    /// What was measured on the way, without gradient.
    pub stats: Stats,
}
