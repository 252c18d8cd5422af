//! How much of a scorer's agreement with people is nothing but length.

use collimate_types::Seed;
use serde::{Deserialize, Serialize};

use super::{Preference, ScoredPair, named, outcome};
use crate::Bootstrap;

/// Length bias of the scorer and of the data. Numbers that the data cannot tell are none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LengthBias {
    /// The share of pairs of unequal length in which people prefer the longer answer: the accuracy of the rule "longer is better".
    pub people_prefer_longer: Option<f64>,
    /// The share of these pairs in which the scorer prefers the longer answer, ties as 0.5.
    pub scorer_prefers_longer: Option<f64>,
    /// `Σ m·d / √(Σ m² · Σ d²)` of margins and length differences, −1 to 1: their correlation about 0, which does not depend on which
    /// answer is written first.
    pub correlation: Option<f64>,
    /// The mean of two accuracies, on pairs whose preferred answer is longer and on those whose preferred answer is shorter. A scorer that
    /// sees length alone has 0.5 here, whatever people prefer.
    pub balanced_accuracy: Option<f64>,
    /// The interval of it; each side is drawn anew on its own.
    pub balanced_interval: Option<[f64; 2]>,
    /// The accuracy of margins from which the part that is proportional to length is taken away: `m − b·d` with `b = Σ m·d / Σ d²`.
    pub accuracy_without_length: Option<f64>,
}

impl Preference {
    pub(super) fn length(&self, pairs: &[&ScoredPair]) -> LengthBias {
        let sides = |longer: bool| -> Vec<f64> {
            let side = |p: &&&ScoredPair| if longer { p.longer_by() > 0.0 } else { p.longer_by() < 0.0 };
            pairs.iter().filter(side).map(|p| p.outcome()).collect()
        };
        let (longer, shorter) = (sides(true), sides(false));
        let unequal = (longer.len() + shorter.len()) as f64;
        let told = |value: f64| value.is_finite().then_some(value);
        let with_longer = longer.iter().sum::<f64>() + shorter.iter().map(|o| 1.0 - o).sum::<f64>();
        let sum = |of: fn(f64, f64) -> f64| pairs.iter().map(|p| of(p.margin(), p.longer_by())).sum::<f64>();
        let (both, lengths, margins) = (sum(|m, d| m * d), sum(|_, d| d * d), sum(|m, _| m * m));
        let slope = both / lengths;
        let rest = pairs.iter().map(|p| outcome(without(p.margin(), slope * p.longer_by()))).sum::<f64>() / pairs.len() as f64;
        let halves = 0.5 * (mean(&longer) + mean(&shorter));
        LengthBias {
            people_prefer_longer: told(longer.len() as f64 / unequal),
            scorer_prefers_longer: told(with_longer / unequal),
            correlation: told(both / (lengths * margins).sqrt()),
            balanced_accuracy: told(halves),
            balanced_interval: balanced(&longer, &shorter, Bootstrap { seed: named(self.bootstrap.seed, "balanced"), ..self.bootstrap }),
            accuracy_without_length: slope.is_finite().then_some(rest),
        }
    }
}

/// What is left of a margin; what rounding alone leaves is nothing.
fn without(margin: f64, of_length: f64) -> f64 {
    let rest = margin - of_length;
    if rest.abs() <= 1e-9 * margin.abs() { 0.0 } else { rest }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The percentile interval of the mean of two means, each side drawn anew on its own.
fn balanced(longer: &[f64], shorter: &[f64], bootstrap: Bootstrap) -> Option<[f64; 2]> {
    if longer.is_empty() || shorter.is_empty() {
        return None;
    }
    let draw = |side: &[f64], seed: Seed| {
        let mut rng = seed.rng();
        side.iter().map(|_| side[crate::bootstrap::below(&mut rng, side.len())]).sum::<f64>() / side.len() as f64
    };
    let mut draws: Vec<f64> = (0..bootstrap.resamples as u64)
        .map(|i| 0.5 * (draw(longer, bootstrap.seed.fork("longer", i)) + draw(shorter, bootstrap.seed.fork("shorter", i))))
        .collect();
    draws.sort_by(f64::total_cmp);
    let tail = 0.5 * (1.0 - bootstrap.level);
    Some([crate::bootstrap::at(&draws, tail)?, crate::bootstrap::at(&draws, 1.0 - tail)?])
}

#[cfg(test)]
mod tests {
    use super::super::tests::pairs;
    use super::*;

    /// People prefer the longer answer in 70% of the pairs.
    fn people(n: u64, margin: impl Fn(f64, u64) -> f64) -> Vec<ScoredPair> {
        let mut some = pairs(n, |_| 0.0);
        for (i, pair) in (0_u64..).zip(&mut some) {
            let size = 1 + (Seed(4).uniform(i) * 40.0) as u64;
            let (long, short) = (50 + size, 50);
            (pair.chosen_tokens, pair.rejected_tokens) = if Seed(5).uniform(i) < 0.7 { (long, short) } else { (short, long) };
            pair.chosen = margin(pair.longer_by(), i);
        }
        some
    }

    #[test]
    fn a_scorer_that_sees_length_alone_is_found_out() {
        let result = Preference::default().evaluate(&people(2000, |longer_by, _| 0.01 * longer_by)).unwrap();
        assert!((result.accuracy - 0.7).abs() < 0.03, "{}", result.accuracy);
        let length = result.length;
        assert_eq!((length.balanced_accuracy, length.scorer_prefers_longer), (Some(0.5), Some(1.0)));
        assert!((length.correlation.unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(length.people_prefer_longer, Some(result.accuracy));
        assert_eq!(length.accuracy_without_length, Some(0.5), "nothing is left");
    }

    #[test]
    fn a_scorer_that_does_not_see_length_keeps_its_accuracy() {
        let result = Preference::default().evaluate(&people(4000, |_, i| Seed(6).uniform(i) - 0.25)).unwrap();
        let length = result.length;
        assert!((result.accuracy - 0.75).abs() < 0.03);
        assert!((length.balanced_accuracy.unwrap() - 0.75).abs() < 0.03);
        assert!((length.accuracy_without_length.unwrap() - 0.75).abs() < 0.04);
        let [low, high] = length.balanced_interval.unwrap();
        assert!(low < length.balanced_accuracy.unwrap() && length.balanced_accuracy.unwrap() < high && high - low < 0.05);
    }

    #[test]
    fn a_mixture_of_both_is_taken_apart() {
        let quality = |i: u64| if Seed(7).uniform(i) < 0.8 { 0.4 } else { -0.4 };
        let result = Preference::default().evaluate(&people(4000, |longer_by, i| quality(i) + 0.02 * longer_by)).unwrap();
        assert!(result.length.scorer_prefers_longer.unwrap() > result.length.people_prefer_longer.unwrap());
        assert!(result.length.correlation.unwrap() > 0.5);
    }

    #[test]
    fn answers_of_equal_length_tell_nothing_of_length() {
        let length = Preference::default().evaluate(&pairs(10, |_| 1.0)).unwrap().length;
        let nothing = LengthBias {
            people_prefer_longer: None,
            scorer_prefers_longer: None,
            correlation: None,
            balanced_accuracy: None,
            balanced_interval: None,
            accuracy_without_length: None,
        };
        assert_eq!(length, nothing);
    }
}
