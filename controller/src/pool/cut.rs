//! How a batch is cut: by the recipe alone, so that any number of actors computes the same bits.

use collimate_types::RolloutBatch;

/// The parts of a batch, in order: each has the batch's address and so many of its prompts (0 = all in one). A part is what one actor computes
/// together, so a run in one process that shall equal a spread one bit for bit cuts in the same way.
#[must_use]
pub fn cut(batch: &RolloutBatch, prompts_per_part: usize) -> Vec<RolloutBatch> {
    let size = if prompts_per_part == 0 { batch.requests.len().max(1) } else { prompts_per_part };
    batch.requests.chunks(size).map(|requests| RolloutBatch { requests: requests.to_vec(), ..batch.clone() }).collect()
}
