//! Credit from a group of answers to one prompt.

use serde::{Deserialize, Serialize};

use super::{CreditRule, Scores, Shaped, mean, per_sequence, std};
use crate::{AlgoState, AlgorithmError, Credit, Needs};

/// Added to the deviation before dividing: TRL's value.
const EPS: f64 = 1e-4;

/// What centred rewards are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The deviation of the group (GRPO, arXiv:2402.03300).
    Group,
    /// The deviation of the batch (LitePPO, arXiv:2508.08221).
    Batch,
    /// Nothing (Dr. GRPO, arXiv:2503.20783).
    None,
}

/// `Â[p,g] = (r[p,g] − mean_h r[p,h]) / (σ + 1e−4)`, with σ of the group or of the batch, or without division.
///
/// A group of one centres to zero.
#[must_use]
pub fn centre(scores: &Scores, scale: Scale) -> Scores {
    let batch = std(scores.iter().flatten().flatten().copied());
    let group = |g: &Vec<Option<f64>>| {
        let there = g.iter().flatten().copied();
        let centre = mean(there.clone());
        let divisor = match scale {
            Scale::Group => std(there) + EPS,
            Scale::Batch => batch + EPS,
            Scale::None => 1.0,
        };
        g.iter().map(|r| r.map(|r| (r - centre) / divisor)).collect()
    };
    scores.iter().map(group).collect()
}

/// The sample standard deviation of a group's scores, for the log.
#[must_use]
pub fn group_std(group: &[Option<f64>]) -> f64 {
    std(group.iter().flatten().copied())
}

/// [`centre`] as a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Centred(pub Scale);

impl CreditRule for Centred {
    fn name(&self) -> &'static str {
        "credit::centre"
    }

    fn needs(&self) -> Needs {
        Needs { siblings: true, ..Needs::default() }
    }

    fn credit(&self, _: &mut AlgoState, rewards: &Shaped<'_>) -> Result<Credit, AlgorithmError> {
        Ok(per_sequence(centre(&rewards.scores, self.0)))
    }
}
