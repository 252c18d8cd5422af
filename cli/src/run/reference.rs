//! What other models than the policy say of a step's completions, token by token: the reference's log-probabilities, a critic's values.

use collimate_actors::{blocks_of, logp_of};
use collimate_models::{Block, Model, ModelError, Packed, ScoreModel};
use collimate_types::{RolloutGroup, ScoredGroup};
use tch::{Kind, Tensor};

/// One number a token, by group and completion.
pub(crate) type ByToken = Vec<Vec<Vec<f32>>>;

/// For each group, for each completion, the log-probability of each token under the reference at a temperature.
///
/// # Errors
/// When a group does not fit the model.
pub(crate) fn logp(model: &Model, groups: &[ScoredGroup], temperature: f64, budget: usize) -> Result<ByToken, ModelError> {
    by_token(groups, budget, &|packed| logp_of(model, packed, temperature))
}

/// For each group, for each completion, the critic's value of the state before each token.
///
/// # Errors
/// When a group does not fit the model.
pub(crate) fn values(model: &ScoreModel, groups: &[ScoredGroup], budget: usize) -> Result<ByToken, ModelError> {
    by_token(groups, budget, &|packed| model.scores(packed))
}

/// What a model says of a packed batch's leaves, `[L]`.
type Says<'a> = &'a dyn Fn(&Packed) -> Result<Tensor, ModelError>;

/// Whole groups to a forward pass, as many as `budget` tokens hold.
fn by_token(groups: &[ScoredGroup], budget: usize, says: Says<'_>) -> Result<ByToken, ModelError> {
    let mut out = Vec::with_capacity(groups.len());
    let mut open: Vec<&RolloutGroup> = Vec::new();
    let mut used = 0;
    for scored in groups {
        let cost = blocks_of(&scored.group, 0).rows();
        if used > 0 && used + cost > budget {
            out.extend(of(says, &open)?);
            open.clear();
            used = 0;
        }
        open.push(&scored.group);
        used += cost;
    }
    out.extend(of(says, &open)?);
    Ok(out)
}

/// One forward pass over several groups.
fn of(says: Says<'_>, groups: &[&RolloutGroup]) -> Result<ByToken, ModelError> {
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
    let values = Vec::<f64>::try_from(says(&packed)?.to_kind(Kind::Double))
        .map_err(|e| ModelError::Batch(format!("what a model says of tokens could not be read: {e}")))?;
    let mut rows: Vec<Vec<f32>> = groups.iter().flat_map(|g| &g.rollouts).map(|r| vec![0.0; r.tokens.len()]).collect();
    for (leaf, value) in packed.leaves.iter().zip(values) {
        rows[leaf.row][leaf.column] = value as f32;
    }
    let mut rows = rows.into_iter();
    Ok(groups.iter().map(|g| rows.by_ref().take(g.rollouts.len()).collect()).collect())
}
