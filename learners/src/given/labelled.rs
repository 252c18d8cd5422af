//! Single answers, wanted or not (KTO). The second answer of a row is another prompt's: it measures how far the policy has moved, and no
//! gradient is taken of it.

use collimate_algorithms::{AlgorithmError, Labelled, LabelledLeaves, RowCount};
use collimate_models::VocabHead;

use super::{GivenRow, Grid, Lesson};
use crate::LearnerConfig;

impl Lesson for Labelled {
    type Head = VocabHead;
    /// Whether the answer is wanted.
    type Label = bool;
    const ANSWERS: usize = 2;
    const TRAINED: usize = 1;

    fn denominators(rows: &[GivenRow<bool>], _: &LearnerConfig) -> RowCount {
        RowCount(rows.len() as f64)
    }

    fn leaves(grid: &Grid<'_, bool>) -> Result<LabelledLeaves, AlgorithmError> {
        let desirable = grid.column(|row| f64::from(u8::from(row.label)));
        Ok(LabelledLeaves { answers: grid.side(0)?, desirable, mismatched: grid.side(1)? })
    }
}
