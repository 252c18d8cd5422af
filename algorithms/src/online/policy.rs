//! The policy's loss: a gate on ratio and credit, a correction, a KL, an entropy bonus, an average. Which parts, is the algorithm's choice.

use super::Gate;
use crate::{
    AlgorithmError, Denominators, Leaves, LossOutput, Stats,
    correction::{Correction, Weighing},
    kl::{self, Estimator},
    ratio::{self, Level},
    reduce::Aggregation,
};

/// A KL penalty in the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KlTerm {
    /// Its weight; 0 asks for no reference.
    pub beta: f64,
    /// What is told of each token.
    pub estimator: Estimator,
    /// Whether an estimate on drawn tokens is multiplied by the importance ratio.
    pub corrected: bool,
    /// Whether an estimate has the gradient of k2.
    pub straight_through: bool,
}

/// `average(w·gate(ρ, A) + β·KL − c·H)`.
#[derive(Debug)]
pub struct PolicyLoss {
    /// Who asks.
    pub site: &'static str,
    /// What the ratio is of.
    pub ratio: Level,
    /// From ratio and credit to a loss.
    pub gate: Box<dyn Gate>,
    /// What weighs a mismatch between the old policy and the law that drew.
    pub correction: Correction,
    /// The KL in the loss.
    pub kl: KlTerm,
    /// c: the weight of the entropy bonus.
    pub entropy: f64,
    /// What the loss is averaged over.
    pub aggregation: Aggregation,
}

impl PolicyLoss {
    /// This micro-batch's share.
    ///
    /// # Errors
    /// When a shape is wrong or a tensor is missing.
    pub fn compute(&self, leaves: &Leaves<'_>, d: &Denominators) -> Result<LossOutput, AlgorithmError> {
        leaves.check(self.site)?;
        let mut stats = Stats::default();
        let mut each = self.gate.each(leaves, &self.ratio.of(leaves), &mut stats);
        if self.correction.weighing != Weighing::None
            && let Some(weights) = self.correction.weights(leaves, leaves.behaviour(self.site)?)
        {
            stats.masked("correction/weight_mean", &weights.expand_as(leaves.trained), leaves.trained);
            // Not in place: one of the two may be of whole completions.
            each = each.g_mul(&weights);
        }
        // k3 between the policies of this update: how far it has moved.
        stats.masked("policy/approx_kl", &kl::k3(leaves.logp_old, leaves.logp), leaves.trained);
        if self.kl.beta > 0.0 {
            let kl = self.divergence(leaves)?;
            stats.masked("kl", &kl, leaves.trained);
            each = each.g_add(&(kl * self.kl.beta));
        }
        if self.entropy != 0.0 {
            let entropy = leaves.entropies(self.site)?;
            stats.masked("entropy", entropy, leaves.trained);
            each = each.g_sub(&(entropy * self.entropy));
        }
        Ok(LossOutput { policy: self.aggregation.apply(&each, leaves.trained, d), stats })
    }

    fn divergence(&self, leaves: &Leaves<'_>) -> Result<tch::Tensor, AlgorithmError> {
        if self.kl.estimator == Estimator::Full {
            return Ok(leaves.divergence(self.site)?.shallow_clone());
        }
        let reference = leaves.reference(self.site)?;
        let estimate = self.kl.estimator.sampled(leaves.logp, reference);
        Ok(match (self.kl.straight_through, self.kl.corrected) {
            (true, _) => kl::straight_through(&estimate, leaves.logp, reference),
            (false, true) => estimate * ratio::token(leaves.logp, leaves.logp_old),
            (false, false) => estimate,
        })
    }
}
