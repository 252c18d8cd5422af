//! One baseline for a whole batch.

use super::{CreditRule, Scores, Shaped, mean, per_sequence};
use crate::{AlgoState, AlgorithmError, Credit};

/// [`batch_mean`] as a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchMean;

impl CreditRule for BatchMean {
    fn name(&self) -> &'static str {
        "credit::batch_mean"
    }

    fn credit(&self, _: &mut AlgoState, rewards: &Shaped<'_>) -> Result<Credit, AlgorithmError> {
        Ok(per_sequence(batch_mean(&rewards.scores)))
    }
}

/// [`moving_average`] as a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MovingAverage {
    /// How much of the baseline stays at each batch.
    pub decay: f64,
}

impl CreditRule for MovingAverage {
    fn name(&self) -> &'static str {
        "credit::moving_average"
    }

    fn credit(&self, state: &mut AlgoState, rewards: &Shaped<'_>) -> Result<Credit, AlgorithmError> {
        Ok(per_sequence(moving_average(&rewards.scores, &mut state.moving_baseline, self.decay)))
    }
}

/// `Â = r − mean of the batch`.
#[must_use]
pub fn batch_mean(scores: &Scores) -> Scores {
    let centre = mean(scores.iter().flatten().flatten().copied());
    subtract(scores, centre)
}

/// `Â = r − b` with `b ← decay·b + (1 − decay)·mean of the batch` taken AFTER the credit, so that the baseline never has seen the answers it
/// judges (it stays independent of them, which keeps the gradient unbiased). The first batch has no history and takes its own mean. A batch
/// without any score says nothing of the rewards and leaves the baseline as it was.
#[must_use]
pub fn moving_average(scores: &Scores, baseline: &mut Option<f64>, decay: f64) -> Scores {
    if scores.iter().flatten().all(Option::is_none) {
        return scores.clone();
    }
    let now = mean(scores.iter().flatten().flatten().copied());
    let before = baseline.unwrap_or(now);
    *baseline = Some(if baseline.is_some() { decay * before + (1.0 - decay) * now } else { now });
    subtract(scores, before)
}

fn subtract(scores: &Scores, centre: f64) -> Scores {
    scores.iter().map(|g| g.iter().map(|r| r.map(|r| r - centre)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moving_baseline_lags_one_batch() {
        let batch = |r: f64| vec![vec![Some(r), Some(r)]];
        let mut b = None;
        assert_eq!(moving_average(&batch(1.0), &mut b, 0.5), batch(0.0));
        assert_eq!(moving_average(&batch(3.0), &mut b, 0.5), batch(2.0));
        assert_eq!(b, Some(2.0));
        assert_eq!(moving_average(&batch(3.0), &mut b, 0.5), batch(1.0));
    }

    #[test]
    fn a_batch_without_scores_leaves_the_moving_baseline_alone() {
        let none = vec![vec![None, None]];
        let mut b = None;
        assert_eq!((moving_average(&none, &mut b, 0.5), b), (none.clone(), None));
        b = Some(4.0);
        assert_eq!((moving_average(&none, &mut b, 0.5), b), (none.clone(), Some(4.0)));
    }
}
