//! Generalised advantage estimation (Schulman et al. 2016, arXiv:1506.02438, eq. 16), by token.

use super::{CreditRule, Shaped, whiten_tokens};
use crate::{AlgoState, AlgorithmError, Credit, Needs, RowCredit, Stats, value::explained_variance};

/// GAE with a λ of its own for the critic's returns (split lambdas: VC-PPO, arXiv:2503.01491).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gae {
    /// γ: what a reward is worth a token later.
    pub gamma: f64,
    /// λ of the advantages.
    pub lambda: f64,
    /// λ of the critic's returns.
    pub lambda_critic: f64,
    /// Whether advantages are centred and divided by their deviation over the trained tokens of the batch.
    pub whiten: bool,
}

/// `δ_t = r_t + γ·V_{t+1} − V_t`, `A_t = δ_t + γλ·A_{t+1}`; after the last token V and A are 0. A token that is not trained (an answer of a
/// tool) is stepped over: its advantage is 0, and V and A go past it.
///
/// # Shapes
/// all `[T]` → `[T]`
#[must_use]
pub fn gae(rewards: &[f64], values: &[f64], trained: &[bool], gamma: f64, lambda: f64) -> Vec<f64> {
    let mut advantages = vec![0.0; rewards.len()];
    let (mut next_value, mut next_advantage) = (0.0, 0.0);
    for t in (0..rewards.len()).rev().filter(|t| trained[*t]) {
        let delta = rewards[t] + gamma * next_value - values[t];
        advantages[t] = delta + gamma * lambda * next_advantage;
        (next_value, next_advantage) = (values[t], advantages[t]);
    }
    advantages
}

impl CreditRule for Gae {
    fn name(&self) -> &'static str {
        "credit::gae"
    }

    fn per_token(&self) -> bool {
        true
    }

    fn needs(&self) -> Needs {
        Needs { values: true, ..Needs::default() }
    }

    fn credit(&self, _: &mut AlgoState, shaped: &Shaped<'_>) -> Result<Credit, AlgorithmError> {
        let missing = AlgorithmError::Missing { site: shaped.site, name: "values" };
        let mut rows: Vec<Vec<RowCredit>> = shaped.scores.iter().map(|g| vec![RowCredit::Untrained; g.len()]).collect();
        let mut returns: Vec<Vec<Vec<f64>>> = shaped.scores.iter().map(|g| vec![Vec::new(); g.len()]).collect();
        let (mut all_values, mut all_returns) = (Vec::new(), Vec::new());
        for (p, g) in shaped.members() {
            let values = shaped.input.groups[p].tokens.and_then(|t| t[g].values).ok_or_else(|| missing.clone())?;
            let Some((rewards, trained)) = shaped.token_rewards(p, g) else { continue };
            rows[p][g] = RowCredit::Tokens(gae(&rewards, values, &trained, self.gamma, self.lambda));
            let critic = gae(&rewards, values, &trained, self.gamma, self.lambda_critic);
            returns[p][g] = critic.iter().zip(values).map(|(a, v)| a + v).collect();
            all_values.extend(values.iter().zip(&trained).filter(|(_, t)| **t).map(|(v, _)| *v));
            all_returns.extend(returns[p][g].iter().zip(&trained).filter(|(_, t)| **t).map(|(r, _)| *r));
        }
        if self.whiten {
            whiten_tokens(&mut rows, shaped);
        }
        let mut stats = Stats::default();
        if let Some(explained) = explained_variance(&all_values, &all_returns) {
            stats.sum("critic/explained_variance", explained, 1.0);
        }
        Ok(Credit { rows, returns: Some(returns), stats })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_lambda_one_and_gamma_one_it_is_the_return_minus_the_value() {
        let a = gae(&[0.0, 0.5, 2.0], &[1.0, 3.0, -1.0], &[true; 3], 1.0, 1.0);
        assert_eq!(a, [1.5, -0.5, 3.0]);
    }

    #[test]
    fn a_token_that_is_not_trained_is_stepped_over() {
        let whole = gae(&[0.1, 2.0], &[1.0, 3.0], &[true; 2], 0.9, 0.8);
        let holed = gae(&[0.1, 7.0, 2.0], &[1.0, 9.0, 3.0], &[true, false, true], 0.9, 0.8);
        assert_eq!(holed, [whole[0], 0.0, whole[1]]);
    }
}
