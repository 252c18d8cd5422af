//! Credit from rewards: how much better than expected a completion was.
//!
//! All functions take scores that may be missing; a missing one enters no mean and gets no credit.

mod baseline;
mod gae;
mod group;
mod leave_one_out;
mod overlong;
mod returns;
mod reward_kl;
mod rule;
mod whiten;

pub use baseline::{BatchMean, MovingAverage, batch_mean, moving_average};
pub use gae::{Gae, gae};
pub use group::{Centred, Scale, centre, group_std};
pub use leave_one_out::{LeaveOneOut, leave_one_out};
pub use overlong::Overlong;
pub use returns::{RewardToGo, discounted};
pub use reward_kl::RewardKl;
pub use rule::{CreditRule, Shaped};
pub use whiten::whiten_tokens;

use crate::{AlgorithmError, Credit, CreditInput, GroupRewards, RowCredit};

/// Scores of a batch by group, with missing ones.
pub type Scores = Vec<Vec<Option<f64>>>;

/// Checks that members agree and that scores are numbers, and takes the scores out.
///
/// # Errors
/// When a group's vectors have different lengths, or a score is not finite: one such score would spoil the credit of its whole group.
pub fn scores(site: &'static str, input: &CreditInput<'_>) -> Result<Scores, AlgorithmError> {
    for (p, g) in input.groups.iter().enumerate() {
        let kl = g.kl.map_or(g.scores.len(), <[f64]>::len);
        if g.lengths.len() != g.scores.len() || kl != g.scores.len() {
            let what = format!("group {p} has {} scores, {} lengths and {kl} KL sums", g.scores.len(), g.lengths.len());
            return Err(AlgorithmError::Groups { site, what });
        }
        tokens_fit(site, p, g)?;
        if let Some((m, r)) = g.scores.iter().enumerate().find_map(|(m, r)| r.filter(|r| !r.is_finite()).map(|r| (m, r))) {
            let what = format!("group {p}, member {m} has the score {r}; a score is a finite number, or none");
            return Err(AlgorithmError::Groups { site, what });
        }
    }
    Ok(input.groups.iter().map(|g| g.scores.to_vec()).collect())
}

/// Checks that what is told of tokens has the length of its completion.
fn tokens_fit(site: &'static str, p: usize, g: &GroupRewards<'_>) -> Result<(), AlgorithmError> {
    let Some(tokens) = g.tokens else { return Ok(()) };
    if tokens.len() != g.lengths.len() {
        let what = format!("group {p} has {} lengths and tokens of {} members", g.lengths.len(), tokens.len());
        return Err(AlgorithmError::Groups { site, what });
    }
    for (m, (t, length)) in tokens.iter().zip(g.lengths).enumerate() {
        let told = [("trained", Some(t.trained.len())), ("kl", t.kl.map(<[f64]>::len)), ("values", t.values.map(<[f64]>::len))];
        if let Some((name, n)) = told.iter().find_map(|(name, n)| n.filter(|n| n != length).map(|n| (name, n))) {
            let what = format!("group {p}, member {m} has {length} tokens and {n} of `{name}`");
            return Err(AlgorithmError::Groups { site, what });
        }
    }
    Ok(())
}

/// One number a completion as credit.
#[must_use]
pub fn per_sequence(advantages: Scores) -> Credit {
    let row = |a: Option<f64>| a.map_or(RowCredit::Untrained, RowCredit::Sequence);
    Credit { rows: advantages.into_iter().map(|g| g.into_iter().map(row).collect()).collect(), ..Credit::default() }
}

/// Mean of what is there; 0 of nothing.
pub(crate) fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count();
    if n == 0 { 0.0 } else { values.sum::<f64>() / n as f64 }
}

/// Sample standard deviation (divided by n − 1); 0 of fewer than two values.
pub(crate) fn std(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count();
    if n < 2 {
        return 0.0;
    }
    let mean = mean(values.clone());
    (values.map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RowTokens;

    #[test]
    fn a_score_that_is_no_number_is_refused_with_its_place() {
        for bad in [f64::NAN, f64::INFINITY] {
            let fine = GroupRewards::new(&[Some(1.0)], &[1]);
            let spoilt = [None, Some(bad)];
            let groups = [fine, GroupRewards::new(&spoilt, &[1, 1])];
            let error = scores("grpo", &CreditInput { groups: &groups }).unwrap_err().to_string();
            assert!(error.contains("group 1, member 1") && error.contains(&bad.to_string()), "{error}");
        }
    }

    #[test]
    fn tokens_that_do_not_fit_their_completion_are_refused_with_their_place() {
        let tokens = [RowTokens { trained: &[true, true], kl: None, values: Some(&[0.5]) }];
        let groups = [GroupRewards { tokens: Some(&tokens), ..GroupRewards::new(&[Some(1.0)], &[2]) }];
        let error = scores("ppo", &CreditInput { groups: &groups }).unwrap_err().to_string();
        assert_eq!(error, "ppo: group 0, member 0 has 2 tokens and 1 of `values`");
    }
}
