//! How the scores of several rewards make one total.
//!
//! ```text
//! total = closed                                   if a gate is shut
//!       = (Σ weight · score)  ·  Π (1 + weight · (score − 1))
//!            over terms            over factors
//! ```
//!
//! Without a term the sum is 1, so that rewards can be multiplied alone. A weight of 0 only logs a score, whatever its role.

use serde::{Deserialize, Serialize};

/// How a reward's score enters the total: the keys of a `[[reward]]` table besides `name`, `label` and `weight`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Share {
    /// What the score does.
    pub role: Role,
    /// The score from which a gate is open; 1 if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// The total where this gate is shut; 0 if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<f64>,
    /// What is done to the scores of a group before they are added.
    pub normalise: Normalise,
    /// Whether only tasks that ask for this reward by name are judged by it.
    pub only_named: bool,
}

/// What a score does in the total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It is multiplied with the weight and added.
    #[default]
    Term,
    /// The sum is multiplied with it: with the score itself at weight 1, with nothing at weight 0, in between by the straight line.
    Factor,
    /// Below `at_least` it shuts: the total is `closed`, whatever the others say.
    Gate,
}

/// What is done to the scores of a group before they are weighted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalise {
    /// Nothing.
    #[default]
    None,
    /// (score − mean) / (std + 10⁻⁴) over the answers of the group that this reward has scored (std with n − 1), so that rewards of different
    /// ranges weigh alike (GDPO, arXiv:2601.05242). Without spread it is 0.
    Group,
}

/// The keys of a table that belong to a [`Share`].
pub(crate) const KEYS: [&str; 5] = ["role", "at_least", "closed", "normalise", "only_named"];

impl Share {
    /// Every key that means nothing with the others, with its value and what is wanted.
    pub(crate) fn faults(&self) -> Vec<(&'static str, String, &'static str)> {
        let mut faults = Vec::new();
        for (key, value) in [("at_least", self.at_least), ("closed", self.closed)] {
            match value {
                Some(value) if self.role != Role::Gate => {
                    faults.push((key, value.to_string(), "only a reward with role = \"gate\" has it"))
                }
                Some(value) if !value.is_finite() => faults.push((key, value.to_string(), "a finite number")),
                _ => {}
            }
        }
        if self.normalise == Normalise::Group && self.role != Role::Term {
            faults.push(("normalise", "\"group\"".into(), "a gate or a factor needs the score as it is"));
        }
        faults
    }

    /// Whether a score opens a gate.
    fn opens(&self, score: f64) -> bool {
        score >= self.at_least.unwrap_or(1.0)
    }
}

impl Normalise {
    /// The scores of a group as they are added; what has no score keeps none.
    pub(crate) fn apply(self, scores: &[Option<f64>]) -> Vec<Option<f64>> {
        if self == Self::None {
            return scores.to_vec();
        }
        let known: Vec<f64> = scores.iter().flatten().copied().collect();
        let n = known.len() as f64;
        let mean = known.iter().sum::<f64>() / n;
        let variance = known.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        scores.iter().map(|s| s.map(|s| (s - mean) / (variance.sqrt() + 1e-4))).collect()
    }
}

/// The total of one answer: of each reward its share, its weight, its score, and the score as it is added.
pub(crate) fn total<'a>(parts: impl Iterator<Item = (&'a Share, f64, f64, f64)>) -> f64 {
    let (mut sum, mut product, mut terms, mut shut) = (0.0, 1.0, false, None);
    for (share, weight, score, added) in parts {
        match share.role {
            Role::Term => {
                terms = true;
                sum += weight * added;
            }
            Role::Factor => product *= 1.0 + weight * (score - 1.0),
            Role::Gate if weight != 0.0 && !share.opens(score) => {
                shut.get_or_insert(share.closed.unwrap_or(0.0));
            }
            Role::Gate => {}
        }
    }
    shut.unwrap_or(if terms { sum * product } else { product })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(role: Role) -> Share {
        Share { role, ..Share::default() }
    }

    fn of(parts: &[(Share, f64, f64)]) -> f64 {
        total(parts.iter().map(|(share, weight, score)| (share, *weight, *score, *score)))
    }

    #[test]
    fn terms_add_factors_multiply_and_gates_shut() {
        let (term, factor, gate) = (share(Role::Term), share(Role::Factor), share(Role::Gate));
        assert_eq!(of(&[(term.clone(), 2.0, 3.0), (term.clone(), -1.0, 1.0)]), 5.0);
        assert_eq!(of(&[(term.clone(), 2.0, 3.0), (factor.clone(), 1.0, 0.5)]), 3.0);
        assert_eq!(of(&[(term.clone(), 2.0, 3.0), (factor.clone(), 0.5, 0.5)]), 4.5);
        assert_eq!(of(&[(factor.clone(), 1.0, 0.5), (factor.clone(), 1.0, 0.5)]), 0.25);
        assert_eq!(of(&[(term.clone(), 1.0, 3.0), (gate.clone(), 1.0, 1.0)]), 3.0);
        assert_eq!(of(&[(term.clone(), 1.0, 3.0), (gate.clone(), 1.0, 0.9)]), 0.0);
        let low = Share { at_least: Some(0.5), closed: Some(-1.0), ..gate.clone() };
        assert_eq!(of(&[(low.clone(), 1.0, 0.4), (term.clone(), 1.0, 3.0)]), -1.0);
        assert_eq!(of(&[(low, 1.0, 0.5), (term.clone(), 1.0, 3.0)]), 3.0);
        assert_eq!(of(&[(gate, 0.0, 0.0), (factor, 0.0, 9.0), (term, 1.0, 3.0)]), 3.0, "a weight of 0 only logs");
    }

    #[test]
    fn normalised_scores_have_mean_0_and_deviation_1_and_faults_stay_out() {
        let scores = Normalise::Group.apply(&[Some(1.0), None, Some(3.0), Some(5.0)]);
        let expected = [-2.0, 0.0, 2.0].map(|gap| gap / 2.0001);
        for (score, wanted) in [scores[0], scores[2], scores[3]].into_iter().zip(expected) {
            assert!(score.is_some_and(|s| (s - wanted).abs() < 1e-12), "{scores:?}");
        }
        assert_eq!(scores[1], None);
        assert_eq!(Normalise::Group.apply(&[Some(7.0), Some(7.0), None]), [Some(0.0), Some(0.0), None]);
        assert_eq!(Normalise::Group.apply(&[Some(7.0)]), [Some(0.0)]);
        assert_eq!(Normalise::None.apply(&[Some(7.0), None]), [Some(7.0), None]);
    }

    #[test]
    fn keys_that_mean_nothing_together_are_named() {
        let odd = Share { at_least: Some(1.0), closed: Some(0.0), ..Share::default() };
        assert_eq!(odd.faults().iter().map(|f| f.0).collect::<Vec<_>>(), ["at_least", "closed"]);
        let odd = Share { role: Role::Gate, at_least: Some(f64::NAN), normalise: Normalise::Group, ..Share::default() };
        assert_eq!(odd.faults().iter().map(|f| f.0).collect::<Vec<_>>(), ["at_least", "normalise"]);
        assert!(Share { role: Role::Gate, at_least: Some(0.5), ..Share::default() }.faults().is_empty());
    }
}
