//! The result of an evaluation on questions with right and wrong answers.

use collimate_types::Verdict;
use serde::{Deserialize, Serialize};

use crate::{EvalError, Proportion};

/// Accuracy on a task, with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskResult {
    /// The share of judged answers that are right, 0 to 1.
    pub accuracy: f64,
    /// Wilson's 95% interval of it.
    pub interval: [f64; 2],
    /// How many answers are right.
    pub correct: u64,
    /// How many answers were judged.
    pub n: u64,
    /// How many answers could not be judged. They are part of neither `correct` nor `n`.
    pub unscorable: u64,
}

impl TaskResult {
    /// Counts outcomes: `None` is an answer that could not be judged.
    ///
    /// # Errors
    /// If no answer was judged.
    pub fn of(outcomes: impl IntoIterator<Item = Option<bool>>) -> Result<Self, EvalError> {
        let (mut correct, mut n, mut unscorable) = (0, 0, 0);
        for outcome in outcomes {
            match outcome {
                Some(right) => {
                    n += 1;
                    correct += u64::from(right);
                }
                None => unscorable += 1,
            }
        }
        let share = Proportion::new(correct, n).map_err(|_| EvalError::NothingJudged { unscorable })?;
        Ok(Self { accuracy: share.share(), interval: share.interval(), correct, n, unscorable })
    }

    /// The share behind it, to be compared with another.
    ///
    /// # Errors
    /// If the counts make no share: the result was not made by [`TaskResult::of`].
    pub fn proportion(&self) -> Result<Proportion, EvalError> {
        Proportion::new(self.correct, self.n)
    }
}

impl std::fmt::Display for TaskResult {
    /// One line: `37.5% [31.1%, 44.4%] (n = 200)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [low, high] = self.interval.map(|v| 100.0 * v);
        write!(f, "{:.1}% [{low:.1}%, {high:.1}%] (n = {}", 100.0 * self.accuracy, self.n)?;
        match self.unscorable {
            0 => write!(f, ")"),
            u => write!(f, ", {u} not judged)"),
        }
    }
}

/// Whether a verdict says "right": its total, or the part of a name, is at least `threshold`. `None` if there is no such number.
#[must_use]
pub fn outcome(verdict: &Verdict, part: Option<&str>, threshold: f64) -> Option<bool> {
    let score = verdict.score()?;
    let value = part.map_or(Some(score.total), |name| score.parts.get(name).copied())?;
    Some(value >= threshold)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_was_not_judged_is_neither_right_nor_wrong() {
        let outcomes = |right, wrong, lost| {
            let (right, wrong) = (std::iter::repeat_n(Some(true), right), std::iter::repeat_n(Some(false), wrong));
            right.chain(wrong).chain(std::iter::repeat_n(None, lost))
        };
        let result = TaskResult::of(outcomes(75, 125, 0)).unwrap();
        assert_eq!(result.to_string(), "37.5% [31.1%, 44.4%] (n = 200)");
        let lossy = TaskResult::of(outcomes(75, 125, 3)).unwrap();
        assert_eq!((lossy.accuracy, lossy.interval, lossy.unscorable), (result.accuracy, result.interval, 3));
        assert!(lossy.to_string().ends_with("(n = 200, 3 not judged)"));
        assert_eq!(TaskResult::of(outcomes(0, 0, 4)), Err(EvalError::NothingJudged { unscorable: 4 }));
        let text = serde_json::to_string(&lossy).unwrap();
        assert_eq!(serde_json::from_str::<TaskResult>(&text).unwrap(), lossy);
        assert_eq!(lossy.proportion().map(|p| p.successes()), Ok(75));
    }

    #[test]
    fn a_part_can_decide_instead_of_the_total() {
        let verdict = Verdict::with_parts(0.2, BTreeMap::from([("numeric".to_owned(), 1.0)]));
        assert_eq!(outcome(&verdict, None, 0.5), Some(false));
        assert_eq!(outcome(&verdict, Some("numeric"), 0.5), Some(true));
        assert_eq!(outcome(&verdict, Some("other"), 0.5), None);
        assert_eq!(outcome(&Verdict::Unscorable { reason: String::new() }, None, 0.5), None);
    }
}
