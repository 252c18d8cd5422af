//! The loss that the clipped family shares: surrogate, KL term, entropy bonus, aggregation. Which parts, is the algorithm's choice.

use tch::Tensor;

use crate::{AlgorithmError, Denominators, Leaves, LossOutput, Stats, clip, clip::Clip, kl, ratio, reduce};

/// How numbers a token become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reduction {
    TokenMean,
    RowMeanTokenMean,
    FixedLength,
}

impl Reduction {
    fn apply(self, x: &Tensor, trained: &Tensor, d: &Denominators) -> Tensor {
        match self {
            Self::TokenMean => reduce::token_mean(x, trained, d),
            Self::RowMeanTokenMean => reduce::row_mean_token_mean(x, trained, d),
            Self::FixedLength => reduce::fixed_length(x, trained, d),
        }
    }
}

/// A KL penalty in the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct KlTerm {
    /// Its weight; 0 asks for no reference.
    pub(crate) beta: f64,
    /// Whether k3 is multiplied by the importance ratio.
    pub(crate) corrected: bool,
}

/// `reduce(−min(ρA, clip(ρ)A) + β·k3) − c·reduce(H)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PolicyLoss {
    pub(crate) site: &'static str,
    pub(crate) clip: Clip,
    pub(crate) kl: KlTerm,
    pub(crate) entropy: f64,
    pub(crate) reduction: Reduction,
}

impl PolicyLoss {
    pub(crate) fn compute(&self, leaves: &Leaves<'_>, d: &Denominators) -> Result<LossOutput, AlgorithmError> {
        leaves.check(self.site)?;
        let mut stats = Stats::default();
        let ratio = ratio::token(leaves.logp, leaves.logp_old);
        let mut each = clip::surrogate(&ratio, leaves.advantage, self.clip);
        clip::measure(&mut stats, &ratio, leaves.advantage, leaves.trained, self.clip);
        // k3 between the policies of this update: how far it has moved.
        stats.masked("policy/approx_kl", &kl::k3(leaves.logp_old, leaves.logp), leaves.trained);
        if self.kl.beta > 0.0 {
            let reference = leaves.reference(self.site)?;
            let k3 = match self.kl.corrected {
                true => kl::k3_corrected(leaves.logp, reference, &ratio),
                false => kl::k3(leaves.logp, reference),
            };
            stats.masked("kl", &k3, leaves.trained);
            each += k3 * self.kl.beta;
        }
        if self.entropy != 0.0 {
            let entropy = leaves.entropies(self.site)?;
            stats.masked("entropy", entropy, leaves.trained);
            each -= entropy * self.entropy;
        }
        Ok(LossOutput { policy: self.reduction.apply(&each, leaves.trained, d), stats })
    }
}
