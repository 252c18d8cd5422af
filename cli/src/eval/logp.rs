//! Sums of log-probabilities over the counted tokens of rows.

use collimate_actors::logp_of;
use collimate_models::{Block, Model, ModelError, Packed};
use tch::Kind;

/// For each row of the blocks, `Σ ln p` over its scored tokens, in nats; the rows are numbered `0 .. rows`.
pub(super) fn sums(model: &Model, blocks: &[Block], rows: usize) -> Result<Vec<f64>, ModelError> {
    let packed = Packed::new(blocks)?;
    let values = Vec::<f64>::try_from(logp_of(model, &packed, 1.0)?.to_kind(Kind::Double))
        .map_err(|e| ModelError::Batch(format!("log-probabilities could not be read: {e}")))?;
    let mut sums = vec![0.0; rows];
    for (leaf, value) in packed.leaves.iter().zip(values) {
        sums[leaf.row] += value;
    }
    Ok(sums)
}
