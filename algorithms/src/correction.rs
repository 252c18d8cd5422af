//! Corrections for tokens that another law drew than the policy the learner calls old: another engine, another precision, a filter.
//!
//! With `w = exp(log π_old − log π_behaviour)` per token or per completion, the surrogate is multiplied by a weight without gradient.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::Leaves;

/// How a mismatch is weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighing {
    /// Not at all.
    None,
    /// `min(w_t, high)`: truncated importance sampling of tokens (Yao et al. 2025, "Your efficient RL framework secretly brings you
    /// off-policy RL training").
    TisToken,
    /// `min(Π_t w_t, high)`: the same of whole completions.
    TisSequence,
    /// `w_t` inside `[low, high]`, 0 outside (IcePop: Ring-1T, arXiv:2510.18855).
    Icepop,
    /// `Π_t w_t` inside `[low, high]`, 0 outside: whole completions are left out.
    SequenceMask,
}

/// A correction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correction {
    /// How.
    pub weighing: Weighing,
    /// Lower end of the band; 0 where there is none.
    pub low: f64,
    /// Cap, or upper end of the band.
    pub high: f64,
}

impl Correction {
    /// No correction.
    pub const NONE: Self = Self { weighing: Weighing::None, low: 0.0, high: f64::INFINITY };

    /// The weights, without gradient: `[B, T]`, or `[B, 1]` of whole completions; none if nothing is corrected.
    ///
    /// # Shapes
    /// `behaviour [B, T]`
    #[must_use]
    pub fn weights(&self, leaves: &Leaves<'_>, behaviour: &Tensor) -> Option<Tensor> {
        let log_w = (leaves.logp_old - behaviour).detach() * leaves.trained;
        let tokens = || log_w.exp();
        let sequences = || log_w.sum_dim_intlist(-1, true, log_w.kind()).exp();
        let band = |w: Tensor| &w * w.ge(self.low).logical_and(&w.le(self.high)).to_kind(w.kind());
        match self.weighing {
            Weighing::None => None,
            Weighing::TisToken => Some(tokens().clamp_max(self.high)),
            Weighing::TisSequence => Some(sequences().clamp_max(self.high)),
            Weighing::Icepop => Some(band(tokens())),
            Weighing::SequenceMask => Some(band(sequences())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows of two tokens: w = 3 and 1, w = 1 and 1/4.
    #[test]
    fn weights_are_capped_or_banded_by_token_or_by_completion() {
        let log = |w: &[f64; 4]| Tensor::from_slice(&w.map(f64::ln)).view([2, 2]);
        let (old, behaviour) = (log(&[0.6, 0.5, 0.4, 0.1]), log(&[0.2, 0.5, 0.4, 0.4]));
        let one = old.ones_like();
        let leaves = Leaves::new(&old, &old, &one, &one);
        let weights = |weighing, low, high| {
            let w = Correction { weighing, low, high }.weights(&leaves, &behaviour).unwrap();
            Vec::<f64>::try_from(w.view([-1])).unwrap().iter().map(|w| (w * 1e9).round() / 1e9).collect::<Vec<_>>()
        };
        assert_eq!(weights(Weighing::TisToken, 0.0, 2.0), [2.0, 1.0, 1.0, 0.25]);
        assert_eq!(weights(Weighing::TisSequence, 0.0, 2.0), [2.0, 0.25]);
        assert_eq!(weights(Weighing::Icepop, 0.5, 2.0), [0.0, 1.0, 1.0, 0.0]);
        assert_eq!(weights(Weighing::SequenceMask, 0.5, 5.0), [3.0, 0.0]);
        assert!(Correction::NONE.weights(&leaves, &behaviour).is_none());
    }
}
