//! The reference's log-probabilities of a step's completions.

use collimate_actors::{blocks_of, logp_of};
use collimate_models::{Block, Model, ModelError, Packed};
use collimate_types::{RolloutGroup, ScoredGroup};
use tch::Kind;

/// For each group, for each completion, the log-probability of each token under the reference at a temperature.
///
/// # Errors
/// When a group does not fit the model.
pub(crate) fn logp(model: &Model, groups: &[ScoredGroup], temperature: f64, budget: usize) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
    let mut out = Vec::with_capacity(groups.len());
    let mut open: Vec<&RolloutGroup> = Vec::new();
    let mut used = 0;
    for scored in groups {
        let cost = blocks_of(&scored.group, 0).rows();
        if used > 0 && used + cost > budget {
            out.extend(of(model, &open, temperature)?);
            open.clear();
            used = 0;
        }
        open.push(&scored.group);
        used += cost;
    }
    out.extend(of(model, &open, temperature)?);
    Ok(out)
}

/// One forward pass over several groups.
fn of(model: &Model, groups: &[&RolloutGroup], temperature: f64) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let mut row = 0;
    let block = |g: &&RolloutGroup| -> Block {
        let block = blocks_of(g, row);
        row += g.rollouts.len();
        block
    };
    let packed = Packed::new(&groups.iter().map(block).collect::<Vec<_>>())?;
    let values = Vec::<f64>::try_from(logp_of(model, &packed, temperature)?.to_kind(Kind::Double))
        .map_err(|e| ModelError::Batch(format!("log-probabilities could not be read: {e}")))?;
    let mut rows: Vec<Vec<f32>> = groups.iter().flat_map(|g| &g.rollouts).map(|r| vec![0.0; r.tokens.len()]).collect();
    for (leaf, value) in packed.leaves.iter().zip(values) {
        rows[leaf.row][leaf.column] = value as f32;
    }
    let mut rows = rows.into_iter();
    Ok(groups.iter().map(|g| rows.by_ref().take(g.rollouts.len()).collect()).collect())
}
