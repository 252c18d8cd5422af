//! Pairs of answers, the preferred one first: the DPO family.

use collimate_algorithms::{AlgorithmError, PairDenominators, PairLeaves, Pairs};
use collimate_models::VocabHead;

use super::{GivenRow, Grid, Lesson};
use crate::LearnerConfig;

impl Lesson for Pairs {
    type Head = VocabHead;
    type Label = ();
    const ANSWERS: usize = 2;

    fn denominators(rows: &[GivenRow], _: &LearnerConfig) -> PairDenominators {
        let chosen_tokens = rows.iter().map(|r| r.trained_tokens(0)).sum::<usize>() as f64;
        PairDenominators { pairs: rows.len() as f64, chosen_tokens }
    }

    fn leaves(grid: &Grid<'_, ()>) -> Result<PairLeaves, AlgorithmError> {
        Ok(PairLeaves { chosen: grid.side(0)?, rejected: grid.side(1)? })
    }
}
