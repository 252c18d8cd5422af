//! The reference's log-probabilities of given answers.

use collimate_models::{AdapterMode, Model};

use super::{GivenRow, Lesson, batch::cut};
use crate::{LearnerError, readout::Readout};

/// `Σ log π_ref` over the trained tokens of each answer of each row, in float64. With a budget of 1 every row has a pass of its own, and its
/// numbers depend on no other row. Adapters are as they were at the start, so the model that is trained may serve as its own reference.
///
/// # Errors
/// When the rows do not fit the model.
pub fn reference<D: Lesson>(model: &Model<D::Head>, rows: &[GivenRow<D::Label>], budget: usize) -> Result<Vec<Vec<f64>>, LearnerError> {
    let _guard = tch::no_grad_guard();
    let mut out = Vec::with_capacity(rows.len());
    for batch in cut::<D>(model, rows, D::ANSWERS, budget)? {
        let (numbers, _) = model.with_adapters(AdapterMode::Start, || D::Head::read(model, batch.packed(), None))?;
        let numbers = Vec::<f64>::try_from(numbers.to_kind(tch::Kind::Double))?;
        let mut sums = vec![0.0; batch.rows().len() * D::ANSWERS];
        for (leaf, number) in batch.packed().leaves.iter().zip(numbers) {
            sums[leaf.row] += number;
        }
        out.extend(sums.chunks(D::ANSWERS).map(<[f64]>::to_vec));
    }
    Ok(out)
}
