//! A verdict is not a number.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An error of somebody else's code.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What a reward says of one answer. Only [`Verdict::Score`] ever enters a baseline: a fault is not a zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The answer was judged.
    Score(Score),
    /// The reward cannot judge this answer (its author's error or decision).
    Unscorable {
        /// Why.
        reason: String,
    },
    /// The reward did not get to judge: it crashed, hung or could not be reached.
    InfraError {
        /// What happened.
        kind: InfraKind,
        /// Whether another try may succeed.
        retryable: bool,
        /// Where and how, for the log.
        detail: String,
    },
}

/// A judged answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// What the algorithm sees. Finite: [`Verdict::score_of`] checks it.
    pub total: f64,
    /// Named parts, for the log (`rewards/<name>/…`).
    pub parts: BTreeMap<String, f64>,
}

/// How a reward failed to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InfraKind {
    /// Its code panicked.
    Panic,
    /// Its process died.
    Death,
    /// It missed its deadline.
    Deadline,
    /// It could not be reached, or broke the protocol.
    Transport,
}

impl InfraKind {
    /// The name in metrics: `faults/<name>`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Death => "death",
            Self::Deadline => "deadline",
            Self::Transport => "transport",
        }
    }
}

impl Verdict {
    /// A score without parts; a total that is not finite is not a score.
    #[must_use]
    pub fn score_of(total: f64) -> Self {
        Self::with_parts(total, BTreeMap::new())
    }

    /// A score with named parts; a number that is not finite makes the answer unscorable.
    #[must_use]
    pub fn with_parts(total: f64, parts: BTreeMap<String, f64>) -> Self {
        if !total.is_finite() {
            return Self::Unscorable { reason: format!("the total is {total}, which is not a finite number") };
        }
        if let Some((name, value)) = parts.iter().find(|(_, v)| !v.is_finite()) {
            return Self::Unscorable { reason: format!("part `{name}` is {value}, which is not a finite number") };
        }
        Self::Score(Score { total, parts })
    }

    /// The score, if there is one.
    #[must_use]
    pub fn score(&self) -> Option<&Score> {
        match self {
            Self::Score(score) => Some(score),
            _ => None,
        }
    }

    /// The name of the fault in metrics (`faults/<name>`), if there is no score.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Score(_) => None,
            Self::Unscorable { .. } => Some("unscorable"),
            Self::InfraError { kind, .. } => Some(kind.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_never_a_score() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Verdict::score_of(bad).fault(), Some("unscorable"));
            let parts = BTreeMap::from([("x".to_owned(), bad)]);
            assert_eq!(Verdict::with_parts(1.0, parts).fault(), Some("unscorable"));
        }
        assert_eq!(Verdict::score_of(0.0).score().map(|s| s.total), Some(0.0));
    }
}
