//! Importance ratios between the policy and the one that sampled.

use tch::Tensor;

use crate::Leaves;

/// What an importance ratio is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Each token.
    Token,
    /// The whole completion, as the geometric mean over its tokens (GSPO).
    SequenceMean,
    /// The whole completion (RLOO).
    SequenceProduct,
}

/// Ratio and credit at one level, with where they count.
#[derive(Debug)]
pub struct Ratio {
    /// `[B, T]`, or `[B, 1]` of a sequence level.
    pub ratio: Tensor,
    /// Credit: of a sequence level the mean over the completion, `[B, 1]`.
    pub advantage: Tensor,
    /// 1 where there is something to train: tokens, or completions with such a token.
    pub there: Tensor,
}

impl Level {
    /// Ratio and credit of all leaves at this level.
    #[must_use]
    pub fn of(self, leaves: &Leaves<'_>) -> Ratio {
        let Leaves { logp, logp_old, advantage, trained, .. } = *leaves;
        let ratio = match self {
            Self::Token => {
                let (advantage, there) = (advantage.shallow_clone(), trained.shallow_clone());
                return Ratio { ratio: token(logp, logp_old), advantage, there };
            }
            Self::SequenceMean => sequence_mean(logp, logp_old, trained),
            Self::SequenceProduct => sequence(logp, logp_old, trained),
        };
        let there = lengths(trained).gt(0.0).to_kind(trained.kind());
        Ratio { ratio, advantage: row_mean(advantage, trained), there }
    }

    /// Its name on a card.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "ratio::token",
            Self::SequenceMean => "ratio::sequence_mean",
            Self::SequenceProduct => "ratio::sequence",
        }
    }
}

/// `ρ[b,t] = exp(log π[b,t] − log π_old[b,t])` (Schulman et al. 2017, arXiv:1707.06347, eq. 6).
///
/// # Shapes
/// `logp [B, T]`, `logp_old [B, T]` → `[B, T]`
pub fn token(logp: &Tensor, logp_old: &Tensor) -> Tensor {
    (logp - logp_old).exp()
}

/// `ρ[b] = exp Σ_t trained·(log π − log π_old)`: the ratio of whole completions.
///
/// # Shapes
/// `logp`, `logp_old`, `trained [B, T]` → `[B, 1]`
pub fn sequence(logp: &Tensor, logp_old: &Tensor, trained: &Tensor) -> Tensor {
    ((logp - logp_old) * trained).sum_dim_intlist(-1, true, logp.kind()).exp()
}

/// `ρ[b] = exp((1/len_b) Σ_t trained·(log π − log π_old))`: the geometric mean of a completion's ratios (GSPO, arXiv:2507.18071).
///
/// # Shapes
/// `logp`, `logp_old`, `trained [B, T]` → `[B, 1]`
pub fn sequence_mean(logp: &Tensor, logp_old: &Tensor, trained: &Tensor) -> Tensor {
    row_mean(&(logp - logp_old), trained).exp()
}

/// The mean over a row's trained tokens. `x`, `trained [B, T]` → `[B, 1]`; 0 of a row without one.
pub fn row_mean(x: &Tensor, trained: &Tensor) -> Tensor {
    (x * trained).sum_dim_intlist(-1, true, x.kind()) / lengths(trained).clamp_min(1.0)
}

fn lengths(trained: &Tensor) -> Tensor {
    trained.sum_dim_intlist(-1, true, trained.kind())
}
