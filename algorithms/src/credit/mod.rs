//! Credit from rewards: how much better than expected a completion was.
//!
//! All functions take scores that may be missing; a missing one enters no mean and gets no credit.

mod baseline;
mod group;
mod leave_one_out;

pub use baseline::{batch_mean, moving_average};
pub use group::{Scale, centre, group_std};
pub use leave_one_out::leave_one_out;

use crate::{AlgorithmError, Credit, CreditInput, RowCredit};

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
        if let Some((m, r)) = g.scores.iter().enumerate().find_map(|(m, r)| r.filter(|r| !r.is_finite()).map(|r| (m, r))) {
            let what = format!("group {p}, member {m} has the score {r}; a score is a finite number, or none");
            return Err(AlgorithmError::Groups { site, what });
        }
    }
    Ok(input.groups.iter().map(|g| g.scores.to_vec()).collect())
}

/// One number a completion as credit.
#[must_use]
pub fn per_sequence(advantages: Scores) -> Credit {
    let row = |a: Option<f64>| a.map_or(RowCredit::Untrained, RowCredit::Sequence);
    Credit { rows: advantages.into_iter().map(|g| g.into_iter().map(row).collect()).collect() }
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
    use crate::GroupRewards;

    #[test]
    fn a_score_that_is_no_number_is_refused_with_its_place() {
        for bad in [f64::NAN, f64::INFINITY] {
            let fine = GroupRewards { scores: &[Some(1.0)], lengths: &[1], kl: None };
            let groups = [fine, GroupRewards { scores: &[None, Some(bad)], lengths: &[1, 1], kl: None }];
            let error = scores("grpo", &CreditInput { groups: &groups }).unwrap_err().to_string();
            assert!(error.contains("group 1, member 1") && error.contains(&bad.to_string()), "{error}");
        }
    }
}
