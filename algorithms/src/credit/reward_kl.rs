//! A KL to the reference, taken off the reward, with a weight that is fixed or kept near a target.

use super::Scores;
use crate::{AlgoState, AlgorithmError, CreditInput, Stats, kl::Estimator, kl_control::Controller};

/// A KL in the reward.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RewardKl {
    /// Its weight, at first if a controller moves it.
    pub beta: f64,
    /// What is told of each token.
    pub estimator: Estimator,
    /// What moves the weight, if something does.
    pub controller: Option<Controller>,
}

impl RewardKl {
    /// What is charged: of rules that credit tokens by token, else off the scores. The controller moves after the charge.
    ///
    /// # Errors
    /// When the log-ratios of the tokens, or their sums, are missing.
    pub fn charge(
        &self,
        site: &'static str,
        (state, stats): (&mut AlgoState, &mut Stats),
        scores: &mut Scores,
        input: &CreditInput<'_>,
        by_token: bool,
    ) -> Result<Option<Vec<Vec<Vec<f64>>>>, AlgorithmError> {
        let beta = if self.controller.is_some() { state.kl_coefficient.unwrap_or(self.beta) } else { self.beta };
        let tokens = self.by_token(site, input, by_token)?;
        let sums: Vec<Vec<f64>> = match &tokens {
            Some(tokens) => tokens.iter().map(|g| g.iter().map(|row| row.iter().sum()).collect()).collect(),
            None => {
                let sums = |g: &crate::GroupRewards<'_>| g.kl.map(<[f64]>::to_vec);
                input.groups.iter().map(sums).collect::<Option<_>>().ok_or(AlgorithmError::Missing { site, name: "kl" })?
            }
        };
        let scored = scores.iter().flatten().zip(sums.iter().flatten()).filter_map(|(r, kl)| r.map(|_| *kl));
        let (rows, kl) = scored.fold((0.0, 0.0), |(n, sum), kl| (n + 1.0, sum + kl));
        stats.sum("kl/reward", kl, rows);
        stats.sum("kl/coefficient", beta, 1.0);
        if let Some(controller) = self.controller.filter(|_| rows > 0.0) {
            state.kl_coefficient = Some(controller.next(beta, kl / rows, rows));
        }
        if by_token {
            let scaled = |g: Vec<Vec<f64>>| g.into_iter().map(|row| row.into_iter().map(|k| beta * k).collect()).collect();
            return Ok(tokens.map(|all| all.into_iter().map(scaled).collect()));
        }
        for (score, kl) in scores.iter_mut().flatten().zip(sums.iter().flatten()) {
            *score = score.map(|r| r - beta * kl);
        }
        Ok(None)
    }

    /// `[P][G][T]` the estimate of each token, 0 where it does not take part. None if sums of k1 do.
    fn by_token(&self, site: &'static str, input: &CreditInput<'_>, needed: bool) -> Result<Option<Vec<Vec<Vec<f64>>>>, AlgorithmError> {
        if !needed && self.estimator == Estimator::K1 && input.groups.iter().all(|g| g.kl.is_some()) {
            return Ok(None);
        }
        let missing = AlgorithmError::Missing { site, name: "the KL of each token" };
        let row = |t: &crate::RowTokens<'_>| {
            let each = |(l, trained): (&f64, &bool)| if *trained { self.estimator.of(*l) } else { 0.0 };
            t.kl.map(|kl| kl.iter().zip(t.trained).map(each).collect::<Vec<f64>>())
        };
        let group = |g: &crate::GroupRewards<'_>| g.tokens.and_then(|t| t.iter().map(row).collect::<Option<Vec<_>>>());
        input.groups.iter().map(group).collect::<Option<Vec<_>>>().ok_or(missing).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GroupRewards, RowTokens};

    #[test]
    fn the_controller_moves_the_weight_after_the_batch_and_its_state_is_used_by_the_next() {
        let tokens = [RowTokens { trained: &[true, true, false], kl: Some(&[1.0, 2.0, 9.0]), values: None }];
        let groups = [GroupRewards { tokens: Some(&tokens), ..GroupRewards::new(&[Some(1.0)], &[3]) }];
        let input = CreditInput { groups: &groups };
        let kl = RewardKl { beta: 0.1, estimator: Estimator::K1, controller: Some(Controller { target: 1.0, horizon: 1.0 }) };
        let (mut state, mut stats) = (AlgoState::default(), Stats::default());
        let charges = kl.charge("x", (&mut state, &mut stats), &mut vec![vec![Some(1.0)]], &input, true).unwrap().unwrap();
        assert_eq!(charges, [[[0.1, 0.2, 0.0]]]);
        assert!((state.kl_coefficient.unwrap() - 0.12).abs() < 1e-15);
        let mut scores = vec![vec![Some(1.0)]];
        assert_eq!(kl.charge("x", (&mut state, &mut stats), &mut scores, &input, false).unwrap(), None);
        assert!((scores[0][0].unwrap() - (1.0 - 0.12 * 3.0)).abs() < 1e-12);
        assert_eq!(stats.means()["kl/reward"], 3.0);
    }

    #[test]
    fn a_missing_log_ratio_is_named() {
        let groups = [GroupRewards::new(&[Some(1.0)], &[3])];
        let kl = RewardKl { beta: 0.1, estimator: Estimator::K3, controller: None };
        let error = kl.charge(
            "x",
            (&mut AlgoState::default(), &mut Stats::default()),
            &mut vec![vec![Some(1.0)]],
            &CreditInput { groups: &groups },
            false,
        );
        assert_eq!(error.unwrap_err().to_string(), "x: the KL of each token is needed and missing");
    }
}
