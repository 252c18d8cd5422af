//! From a number a token to one number: what a loss is averaged over. Denominators are the whole batch's, so micro-batches add up.

use tch::Tensor;

use crate::Denominators;

/// `Σ_bt x / tokens`: every token counts the same (DAPO, arXiv:2503.14476, eq. 12).
pub fn token_mean(x: &Tensor, trained: &Tensor, d: &Denominators) -> Tensor {
    (x * trained).sum(x.kind()) / d.tokens.max(1.0)
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
    (x * trained).sum(x.kind()) / d.rows.max(1.0)
}

/// `Σ_bt x / (rows · max_new_tokens)`: divides by a constant, so that length carries no bias (Dr. GRPO, arXiv:2503.20783).
pub fn fixed_length(x: &Tensor, trained: &Tensor, d: &Denominators) -> Tensor {
    (x * trained).sum(x.kind()) / (d.rows * d.max_new_tokens).max(1.0)
}
