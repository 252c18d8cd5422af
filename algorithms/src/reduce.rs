//! From a number a token to one number: what a loss is averaged over. Denominators are the whole batch's, so micro-batches add up.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::Denominators;

/// What a loss is averaged over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// [`token_mean`].
    TokenMean,
    /// [`token_sum`].
    TokenSum,
    /// [`row_mean_token_mean`].
    SequenceMeanTokenMean,
    /// [`row_mean_token_sum`].
    SequenceMeanTokenSum,
    /// [`fixed_length`].
    FixedLength,
}

impl Aggregation {
    /// One number of many. `x` broadcasts to `trained`, `[B, T]`.
    pub fn apply(self, x: &Tensor, trained: &Tensor, d: &Denominators) -> Tensor {
        match self {
            Self::TokenMean => token_mean(x, trained, d),
            Self::TokenSum => token_sum(x, trained),
            Self::SequenceMeanTokenMean => row_mean_token_mean(x, trained, d),
            Self::SequenceMeanTokenSum => row_mean_token_sum(x, trained, d),
            Self::FixedLength => fixed_length(x, trained, d),
        }
    }

    /// Its name on a card.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TokenMean => "reduce::token_mean",
            Self::TokenSum => "reduce::token_sum",
            Self::SequenceMeanTokenMean => "reduce::row_mean_token_mean",
            Self::SequenceMeanTokenSum => "reduce::row_mean_token_sum",
            Self::FixedLength => "reduce::fixed_length",
        }
    }
}

/// `Σ_bt x / tokens`: every token counts the same (DAPO, arXiv:2503.14476, eq. 12).
pub fn token_mean(x: &Tensor, trained: &Tensor, d: &Denominators) -> Tensor {
    token_sum(x, trained) / d.tokens.max(1.0)
}

/// `Σ_bt x`.
pub fn token_sum(x: &Tensor, trained: &Tensor) -> Tensor {
    (x * trained).sum(x.kind())
}

/// `(1/rows) Σ_b (1/len_b) Σ_t x`: every completion counts the same (GRPO, arXiv:2402.03300, eq. 3).
pub fn row_mean_token_mean(x: &Tensor, trained: &Tensor, d: &Denominators) -> Tensor {
    let lengths = trained.sum_dim_intlist(-1, false, x.kind()).clamp_min(1.0);
    ((x * trained).sum_dim_intlist(-1, false, x.kind()) / lengths).sum(x.kind()) / d.rows.max(1.0)
}

/// `(1/rows) Σ_b Σ_t x`.
pub fn row_mean_token_sum(x: &Tensor, trained: &Tensor, d: &Denominators) -> Tensor {
    token_sum(x, trained) / d.rows.max(1.0)
}

/// `Σ_bt x / (rows · max_new_tokens)`: divides by a constant, so that length carries no bias (Dr. GRPO, arXiv:2503.20783).
pub fn fixed_length(x: &Tensor, trained: &Tensor, d: &Denominators) -> Tensor {
    token_sum(x, trained) / (d.rows * d.max_new_tokens).max(1.0)
}
