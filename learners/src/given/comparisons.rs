//! Scored pairs, the preferred answer first: a reward model learns.

use collimate_algorithms::{AlgorithmError, ComparisonLeaves, Comparisons, RowCount};
use collimate_models::{Block, ScalarHead, scored_blocks};
use collimate_types::TokenId;

use super::{GivenAnswer, GivenRow, Grid, Lesson};
use crate::LearnerConfig;

/// How sure people were, and by how much they preferred.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preferred {
    /// The share of judges who preferred the first answer; 0.5 is a tie.
    pub share: f64,
    /// By how much it is better at least, if the data say.
    pub margin: Option<f64>,
}

impl Lesson for Comparisons {
    type Head = ScalarHead;
    type Label = Preferred;
    const ANSWERS: usize = 2;

    /// One leaf a text: where transformers reads its score.
    fn blocks(prompt: &[TokenId], answers: &[GivenAnswer], first: usize, pad: Option<i64>) -> Vec<Block> {
        let texts: Vec<&[TokenId]> = answers.iter().map(|a| a.tokens.as_slice()).collect();
        scored_blocks(prompt, &texts, pad, first)
    }

    fn denominators(rows: &[GivenRow<Preferred>], _: &LearnerConfig) -> RowCount {
        RowCount(rows.len() as f64)
    }

    fn leaves(grid: &Grid<'_, Preferred>) -> Result<ComparisonLeaves, AlgorithmError> {
        let rows = grid.rows();
        // Bradley and Terry's plain model where the data say nothing more, so that its numbers are the plain model's.
        let margin = rows.iter().any(|r| r.label.margin.is_some()).then(|| grid.column(|r| r.label.margin.unwrap_or(0.0)));
        let preferred = rows.iter().any(|r| r.label.share < 1.0).then(|| grid.column(|r| r.label.share));
        Ok(ComparisonLeaves { chosen: grid.score(0), rejected: grid.score(1), margin, preferred })
    }
}
