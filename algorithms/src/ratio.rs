//! Importance ratios between the policy and the one that sampled.

use tch::Tensor;

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
