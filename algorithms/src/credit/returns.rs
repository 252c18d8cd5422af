//! What comes after a token, as its credit: no critic, no baseline but the batch's mean.

use super::{CreditRule, Shaped, whiten_tokens};
use crate::{AlgoState, AlgorithmError, Credit, RowCredit};

/// Discounted rewards to go, whitened over the trained tokens of the batch (REINFORCE++, arXiv:2501.03262).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RewardToGo {
    /// γ: what a reward is worth a token later.
    pub gamma: f64,
}

/// `R_t = r_t + γ·R_{t+1}` over trained tokens; 0 at the others, which R goes past. `[T]` → `[T]`
#[must_use]
pub fn discounted(rewards: &[f64], trained: &[bool], gamma: f64) -> Vec<f64> {
    let mut returns = vec![0.0; rewards.len()];
    let mut next = 0.0;
    for t in (0..rewards.len()).rev().filter(|t| trained[*t]) {
        next = rewards[t] + gamma * next;
        returns[t] = next;
    }
    returns
}

impl CreditRule for RewardToGo {
    fn name(&self) -> &'static str {
        "credit::reward_to_go"
    }

    fn per_token(&self) -> bool {
        true
    }

    fn credit(&self, _: &mut AlgoState, shaped: &Shaped<'_>) -> Result<Credit, AlgorithmError> {
        let row = |p: usize, g: usize| match shaped.token_rewards(p, g) {
            Some((rewards, trained)) => RowCredit::Tokens(discounted(&rewards, &trained, self.gamma)),
            None => RowCredit::Untrained,
        };
        let group = |(p, scores): (usize, &Vec<Option<f64>>)| (0..scores.len()).map(|g| row(p, g)).collect();
        let mut rows: Vec<Vec<RowCredit>> = shaped.scores.iter().enumerate().map(group).collect();
        whiten_tokens(&mut rows, shaped);
        Ok(Credit { rows, ..Credit::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_reward_counts_less_and_holes_are_stepped_over() {
        assert_eq!(discounted(&[1.0, 0.0, 4.0], &[true; 3], 0.5), [2.0, 2.0, 4.0]);
        assert_eq!(discounted(&[1.0, 9.0, 4.0], &[true, false, true], 0.5), [3.0, 0.0, 4.0]);
    }
}
