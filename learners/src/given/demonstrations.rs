//! Answers to imitate: supervised tuning.

use collimate_algorithms::{AlgorithmError, DemonstrationLeaves, Demonstrations, Denominators};
use collimate_models::VocabHead;

use super::{GivenRow, Grid, Lesson};
use crate::LearnerConfig;

impl Lesson for Demonstrations {
    type Head = VocabHead;
    type Label = ();
    const ANSWERS: usize = 1;

    fn denominators(rows: &[GivenRow], config: &LearnerConfig) -> Denominators {
        let trained = || rows.iter().map(|r| r.trained_tokens(0)).filter(|n| *n > 0);
        let count = trained().count() as f64;
        Denominators { tokens: trained().sum::<usize>() as f64, rows: count, groups: count, max_new_tokens: config.max_new_tokens as f64 }
    }

    fn leaves(grid: &Grid<'_, ()>) -> Result<DemonstrationLeaves, AlgorithmError> {
        Ok(DemonstrationLeaves { logp: grid.answer(0), trained: grid.trained(0) })
    }
}
