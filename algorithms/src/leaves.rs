//! What a loss of online learning is computed from, and what a loss gives.

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
    /// Log-probability under the law that truly drew, if [`crate::Needs::behaviour`]: another engine, another precision, a filter.
    pub logp_behaviour: Option<&'a Tensor>,
    /// Entropy of the policy at each position, if [`crate::Needs::entropy`]; a gradient may be taken with respect to this too.
    pub entropy: Option<&'a Tensor>,
    /// `KL(π ‖ π_ref)` over the vocabulary at each position, if [`crate::Needs::full_kl`]; a gradient is taken with respect to this too.
    pub full_kl: Option<&'a Tensor>,
    /// Credit of each token.
    pub advantage: &'a Tensor,
    /// 1 where a token takes part in training, 0 elsewhere (padding, rows without a score).
    pub trained: &'a Tensor,
}

impl<'a> Leaves<'a> {
    /// The leaves that every algorithm needs.
    #[must_use]
    pub fn new(logp: &'a Tensor, logp_old: &'a Tensor, advantage: &'a Tensor, trained: &'a Tensor) -> Self {
        Self { logp, logp_old, logp_ref: None, logp_behaviour: None, entropy: None, full_kl: None, advantage, trained }
    }

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
        all.extend(self.logp_behaviour.map(|t| ("logp_behaviour", t, "BT")));
        all.extend(self.entropy.map(|t| ("entropy", t, "BT")));
        all.extend(self.full_kl.map(|t| ("full_kl", t, "BT")));
        shape::bind(site, &all).map(|_| ())
    }

    /// The reference's log-probabilities.
    ///
    /// # Errors
    /// When they are not there.
    pub fn reference(&self, site: &'static str) -> Result<&'a Tensor, AlgorithmError> {
        self.logp_ref.ok_or(AlgorithmError::Missing { site, name: "logp_ref" })
    }

    /// The log-probabilities of the law that drew.
    ///
    /// # Errors
    /// When they are not there.
    pub fn behaviour(&self, site: &'static str) -> Result<&'a Tensor, AlgorithmError> {
        self.logp_behaviour.ok_or(AlgorithmError::Missing { site, name: "logp_behaviour" })
    }

    /// The entropies.
    ///
    /// # Errors
    /// When they are not there.
    pub fn entropies(&self, site: &'static str) -> Result<&'a Tensor, AlgorithmError> {
        self.entropy.ok_or(AlgorithmError::Missing { site, name: "entropy" })
    }

    /// The KL over the vocabulary.
    ///
    /// # Errors
    /// When it is not there.
    pub fn divergence(&self, site: &'static str) -> Result<&'a Tensor, AlgorithmError> {
        self.full_kl.ok_or(AlgorithmError::Missing { site, name: "full_kl" })
    }

    /// Float or Double.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.logp.kind()
    }
}

/// The leaves of a critic's micro-batch. All tensors are `[B, T]` of one float kind.
#[derive(Debug, Clone, Copy)]
pub struct CriticLeaves<'a> {
    /// The critic's value of the state before each token. The gradient is taken with respect to this.
    pub values: &'a Tensor,
    /// The same when the batch was credited.
    pub values_old: &'a Tensor,
    /// What it should have said ([`crate::Credit::returns`]).
    pub returns: &'a Tensor,
    /// 1 where a token takes part in training, 0 elsewhere.
    pub trained: &'a Tensor,
}

impl CriticLeaves<'_> {
    /// Checks all shapes.
    ///
    /// # Errors
    /// When one differs from `values`'s.
    pub fn check(&self, site: &'static str) -> Result<(), AlgorithmError> {
        let all = [
            ("values", self.values, "BT"),
            ("values_old", self.values_old, "BT"),
            ("returns", self.returns, "BT"),
            ("trained", self.trained, "BT"),
        ];
        shape::bind(site, &all).map(|_| ())
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

/// The loss of a policy that learns online.
#[derive(Debug)]
pub struct LossOutput {
    /// This micro-batch's share of the policy's loss: a scalar that carries its gradient.
    pub policy: Tensor,
    /// What was measured on the way, without gradient.
    pub stats: Stats,
}

/// The loss of one trained role that is not an online policy: a critic, a reward model, a policy that learns from given data.
#[derive(Debug)]
pub struct RoleLoss {
    /// This micro-batch's share of the loss: a scalar that carries its gradient.
    pub loss: Tensor,
    /// What was measured on the way, without gradient.
    pub stats: Stats,
}
