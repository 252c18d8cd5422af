//! Each answer against the mean of its siblings (RLOO: Ahmadian et al. 2024, arXiv:2402.14740, eq. 8).

use super::{CreditRule, Scores, Shaped, mean, per_sequence, std};
use crate::{AlgoState, AlgorithmError, Credit, Needs};

/// Added to the deviation before dividing: TRL's value.
const EPS: f64 = 1e-4;

/// `Â[p,g] = r[p,g] − (Σ_{h≠g} r[p,h]) / (n − 1)` with n scored members; a group of one has no siblings and gets zero.
#[must_use]
pub fn leave_one_out(scores: &Scores) -> Scores {
    let group = |g: &Vec<Option<f64>>| {
        let n = g.iter().flatten().count() as f64;
        let sum: f64 = g.iter().flatten().sum();
        let one = |r: f64| if n < 2.0 { 0.0 } else { r - (sum - r) / (n - 1.0) };
        g.iter().map(|r| r.map(one)).collect()
    };
    scores.iter().map(group).collect()
}

/// [`leave_one_out`] as a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaveOneOut {
    /// Whether advantages are centred and divided by their deviation over the completions of the batch.
    pub normalize: bool,
}

impl CreditRule for LeaveOneOut {
    fn name(&self) -> &'static str {
        "credit::leave_one_out"
    }

    fn needs(&self) -> Needs {
        Needs { siblings: true, ..Needs::default() }
    }

    fn credit(&self, _: &mut AlgoState, rewards: &Shaped<'_>) -> Result<Credit, AlgorithmError> {
        let mut advantages = leave_one_out(&rewards.scores);
        if self.normalize {
            let all = advantages.clone();
            let there = || all.iter().flatten().flatten().copied();
            let (mean, std) = (mean(there()), std(there()));
            for a in advantages.iter_mut().flatten() {
                *a = a.map(|a| (a - mean) / (std + EPS));
            }
        }
        Ok(per_sequence(advantages))
    }
}
