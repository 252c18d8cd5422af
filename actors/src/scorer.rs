//! Forward-only log-probabilities: the reference's, and the check of the sampler against the learner's forward.

use collimate_models::{Block, HeadLeaves, Model, ModelError, Packed, Suffix};
use collimate_types::RolloutGroup;
use tch::{Kind, Tensor};

/// Log-probabilities of a packed batch's leaves at a temperature, `[L]` in the order of [`Packed::leaves`], without gradient.
///
/// # Errors
/// When the batch does not fit the model.
pub fn logp_of(model: &Model, packed: &Packed, temperature: f64) -> Result<Tensor, ModelError> {
    let _guard = tch::no_grad_guard();
    let hidden = model.forward(packed, None)?;
    let rows = hidden.index_select(0, &packed.head_row_tensor());
    Ok(model.head().forward(model.embedding(), &rows, &HeadLeaves::new(packed, temperature), false).logp)
}

/// A group as a block: its prompt once, its completions as suffixes in rows `first_row ..`.
#[must_use]
pub fn blocks_of(group: &RolloutGroup, first_row: usize) -> Block {
    let suffix = |(i, r): (usize, &collimate_types::Rollout)| Suffix {
        tokens: r.tokens.clone(),
        scored: vec![true; r.tokens.len()],
        row: first_row + i,
    };
    let rollouts = group.rollouts.iter().filter(|r| !r.tokens.is_empty());
    Block { prefix: group.prompt.tokens.clone(), suffixes: rollouts.enumerate().map(suffix).collect() }
}

/// How far the sampler's log-probabilities lie from the learner's forward, on the same weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mismatch {
    /// Largest |Δ log p|, in nats.
    pub max: f64,
    /// 99.9th percentile of |Δ log p|.
    pub p999: f64,
    /// Mean of `r − 1 − log r` with `r = p_learner / p_sampler` on sampled tokens (the k3 estimate of the KL divergence).
    pub kl: f64,
    /// How many tokens were compared.
    pub tokens: usize,
}

/// Recomputes a group by the packed forward and compares it with what the sampler recorded.
///
/// # Errors
/// When the group does not fit the model.
pub fn mismatch(model: &Model, group: &RolloutGroup, temperature: f64) -> Result<Mismatch, ModelError> {
    let packed = Packed::new(&[blocks_of(group, 0)])?;
    let logp = Vec::<f64>::try_from(logp_of(model, &packed, temperature)?.to_kind(Kind::Double))
        .map_err(|e| ModelError::Batch(format!("log-probabilities could not be read: {e}")))?;
    let rollouts: Vec<_> = group.rollouts.iter().filter(|r| !r.tokens.is_empty()).collect();
    let delta = |(l, new): (&collimate_models::Leaf, &f64)| new - f64::from(rollouts[l.row].logp[l.column]);
    let deltas: Vec<f64> = packed.leaves.iter().zip(&logp).map(delta).collect();
    let mut sizes: Vec<f64> = deltas.iter().map(|d| d.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let at = |share: f64| sizes.get(((sizes.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied().unwrap_or(0.0);
    let kl = deltas.iter().map(|d| d.exp_m1() - d).sum::<f64>() / deltas.len().max(1) as f64;
    Ok(Mismatch { max: at(1.0), p999: at(0.999), kl, tokens: deltas.len() })
}
