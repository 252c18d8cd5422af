//! Intervals by resampling: percentile, and bias-corrected and accelerated (BCa).

use collimate_types::Seed;
use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::normal;

/// How an interval was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalMethod {
    /// Bias-corrected and accelerated bootstrap.
    Bca,
    /// Wilson's interval of a share: where all outcomes are alike, resampling shows no spread although there is doubt.
    Wilson,
}

impl IntervalMethod {
    /// As it is written in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bca => "bca",
            Self::Wilson => "wilson",
        }
    }
}

/// What is drawn anew as a whole: an item, or all items of one prompt. Its part in a ratio of sums `Σ sum / Σ weight`.
///
/// A mean has weight 1 for every unit; a mean over clusters has the cluster's size; a perplexity has log-likelihoods over tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Unit {
    /// What the unit adds above the line.
    pub sum: f64,
    /// What it adds below the line, 0 or more.
    pub weight: f64,
}

impl Unit {
    /// One item of a mean.
    #[must_use]
    pub fn of(value: f64) -> Self {
        Self { sum: value, weight: 1.0 }
    }
}

/// The ratio of sums; none if nothing has weight.
#[must_use]
pub fn ratio(units: &[Unit]) -> Option<f64> {
    let weight: f64 = units.iter().map(|u| u.weight).sum();
    (weight > 0.0).then(|| units.iter().map(|u| u.sum).sum::<f64>() / weight)
}

/// The bootstrap (Efron 1979): units are drawn with replacement, the statistic is computed of each draw, and its spread is the interval.
///
/// The draws are an address (`seed`), so that the same numbers give the same interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// How many draws.
    pub resamples: usize,
    /// The share of intervals that should cover the truth, 0 to 1.
    pub level: f64,
    /// The address of the draws.
    pub seed: Seed,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 2000, level: 0.95, seed: Seed(0) }
    }
}

impl Bootstrap {
    /// The percentile interval of a statistic of units, which it gets as indexes `0 .. units`; draws on which it is `None` or not finite
    /// are left out. None if it has no value on any draw.
    pub fn percentile(&self, units: usize, mut statistic: impl FnMut(&[usize]) -> Option<f64>) -> Option<[f64; 2]> {
        let mut draws = self.draws(units, &mut statistic);
        draws.sort_by(f64::total_cmp);
        let tail = 0.5 * (1.0 - self.level);
        Some([at(&draws, tail)?, at(&draws, 1.0 - tail)?])
    }

    /// The BCa interval of a statistic (Efron 1987, JASA 82:171; Efron and Tibshirani 1993, section 14.3): the percentiles moved by the
    /// bias `z₀` of the draws and by the acceleration `a` of the jackknife,
    /// `α₁ = Φ(z₀ + (z₀ + z_α)/(1 − a(z₀ + z_α)))`. Second-order correct where percentiles are first-order correct.
    ///
    /// The jackknife asks the statistic once a unit.
    pub fn bca(&self, units: usize, mut statistic: impl FnMut(&[usize]) -> Option<f64>) -> Option<[f64; 2]> {
        let all: Vec<usize> = (0..units).collect();
        let estimate = statistic(&all).filter(|v| v.is_finite())?;
        let draws = self.draws(units, &mut statistic);
        let without = |i: usize| statistic(&all.iter().copied().filter(|j| *j != i).collect::<Vec<_>>());
        let jackknife: Vec<f64> = (0..units).filter_map(without).filter(|v| v.is_finite()).collect();
        self.corrected(estimate, draws, &jackknife)
    }

    /// The BCa interval of [`ratio`], in time that grows with units times draws alone.
    #[must_use]
    pub fn of_ratio(&self, units: &[Unit]) -> Option<[f64; 2]> {
        let estimate = ratio(units)?;
        let total = units.iter().fold(Unit::default(), add);
        let mut rng = self.seed.rng();
        let draw = |_| {
            let drawn = (0..units.len()).map(|_| &units[below(&mut rng, units.len())]).fold(Unit::default(), add);
            drawn.sum / drawn.weight
        };
        let draws: Vec<f64> = (0..self.resamples).map(draw).filter(|v| v.is_finite()).collect();
        let without = |u: &Unit| (total.sum - u.sum) / (total.weight - u.weight);
        let jackknife: Vec<f64> = units.iter().map(without).filter(|v| v.is_finite()).collect();
        self.corrected(estimate, draws, &jackknife)
    }

    fn draws(&self, units: usize, statistic: &mut impl FnMut(&[usize]) -> Option<f64>) -> Vec<f64> {
        let mut rng = self.seed.rng();
        let mut picked = vec![0; units];
        let draw = |_| {
            picked.iter_mut().for_each(|p| *p = below(&mut rng, units));
            statistic(&picked)
        };
        (0..self.resamples).filter_map(draw).filter(|v| v.is_finite()).collect()
    }

    fn corrected(&self, estimate: f64, mut draws: Vec<f64>, jackknife: &[f64]) -> Option<[f64; 2]> {
        draws.sort_by(f64::total_cmp);
        let count = draws.len() as f64;
        // Draws that equal the estimate count half: a share takes few values.
        let lower = draws.iter().filter(|d| **d < estimate).count() as f64 + 0.5 * draws.iter().filter(|d| **d == estimate).count() as f64;
        let bias = normal::quantile((lower / count).clamp(0.5 / count, 1.0 - 0.5 / count));
        let acceleration = acceleration(jackknife);
        let moved = |p: f64| {
            let z = bias + normal::quantile(p);
            normal::cdf(bias + z / (1.0 - acceleration * z))
        };
        let tail = 0.5 * (1.0 - self.level);
        Some([at(&draws, moved(tail))?, at(&draws, moved(1.0 - tail))?])
    }
}

fn add(mut total: Unit, unit: &Unit) -> Unit {
    total.sum += unit.sum;
    total.weight += unit.weight;
    total
}

/// A whole number below `n`: the high half of a product has a bias of n / 2⁶⁴ at most.
pub(crate) fn below(rng: &mut impl Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// `a = Σ(m − θᵢ)³ / 6(Σ(m − θᵢ)²)^1.5` of the values without one unit each; 0 where they are alike.
fn acceleration(jackknife: &[f64]) -> f64 {
    let mean = jackknife.iter().sum::<f64>() / jackknife.len().max(1) as f64;
    let moment = |power: i32| jackknife.iter().map(|v| (mean - v).powi(power)).sum::<f64>();
    let a = moment(3) / (6.0 * moment(2).powf(1.5));
    if a.is_finite() { a } else { 0.0 }
}

/// The quantile of sorted values, between the two next to it (Hyndman and Fan 1996, type 7).
pub(crate) fn at(sorted: &[f64], p: f64) -> Option<f64> {
    let place = p.clamp(0.0, 1.0) * (sorted.len().checked_sub(1)?) as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(sorted.len() - 1);
    // In this form two equal neighbours give themselves, to the last bit.
    Some(sorted[low] + (sorted[high] - sorted[low]) * part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn means(values: &[f64]) -> Vec<Unit> {
        values.iter().map(|v| Unit::of(*v)).collect()
    }

    /// How often the intervals of `draws` samples of `n` numbers cover the truth: percentile and BCa.
    fn coverage(level: f64, n: u64, draws: u64, truth: f64, sample: impl Fn(f64) -> f64) -> [f64; 2] {
        let mut covered = [0.0; 2];
        for draw in 0..draws {
            let address = Seed(77).fork("sample", draw);
            let values: Vec<f64> = (0..n).map(|i| sample(address.uniform(i))).collect();
            let bootstrap = Bootstrap { resamples: 600, level, seed: address.fork("bootstrap", 0) };
            let mean = |picked: &[usize]| Some(picked.iter().map(|i| values[*i]).sum::<f64>() / n as f64);
            let intervals = [bootstrap.percentile(n as usize, mean), bootstrap.of_ratio(&means(&values))];
            for (count, interval) in covered.iter_mut().zip(intervals) {
                let [low, high] = interval.unwrap();
                *count += f64::from(u8::from((low..=high).contains(&truth)));
            }
        }
        covered.map(|c| c / draws as f64)
    }

    #[test]
    fn bootstrap_intervals_cover_the_truth_at_their_nominal_rate() {
        // Three standard errors of 800 draws are 2.3 (at 95%) and 3.2 points (at 90%); resampling 60 numbers costs about 1 point.
        for (level, tolerance) in [(0.95, 0.033), (0.9, 0.042)] {
            let uniform = coverage(level, 60, 800, 0.5, |u| u);
            let share = coverage(level, 60, 800, 0.7, |u| f64::from(u8::from(u < 0.7)));
            let skewed = coverage(level, 60, 800, 1.0, |u| -(1.0 - u).ln());
            for (name, rates) in [("uniform", uniform), ("share", share), ("exponential", skewed)] {
                assert!(rates.iter().all(|r| (r - level).abs() < tolerance), "{name} at {level}: {rates:?}");
            }
        }
    }

    #[test]
    fn the_correction_moves_the_interval_towards_the_long_tail() {
        let values: Vec<f64> = (0..40).map(|i| (-(1.0 - Seed(3).uniform(i)).ln()).powi(2)).collect();
        let bootstrap = Bootstrap::default();
        let plain = bootstrap.percentile(40, |p| Some(p.iter().map(|i| values[*i]).sum::<f64>() / 40.0)).unwrap();
        let corrected = bootstrap.of_ratio(&means(&values)).unwrap();
        assert!(corrected[0] > plain[0] && corrected[1] > plain[1], "{plain:?} {corrected:?}");
    }

    #[test]
    fn the_fast_ratio_is_the_general_statistic() {
        let units: Vec<Unit> = (0..30).map(|i| Unit { sum: Seed(5).uniform(i), weight: 1.0 + (i % 3) as f64 }).collect();
        let bootstrap = Bootstrap { resamples: 300, ..Bootstrap::default() };
        let general = bootstrap.bca(30, |p| ratio(&p.iter().map(|i| units[*i]).collect::<Vec<_>>())).unwrap();
        let fast = bootstrap.of_ratio(&units).unwrap();
        assert!(general.iter().zip(fast).all(|(g, f)| (g - f).abs() < 1e-12), "{general:?} {fast:?}");
    }

    #[test]
    fn nothing_has_no_interval_and_sameness_has_no_width() {
        assert_eq!(Bootstrap::default().of_ratio(&[]), None);
        assert_eq!(Bootstrap::default().percentile(3, |_| None), None);
        for value in [0.25, 3.919_091_221_029_750_4] {
            assert_eq!(Bootstrap::default().of_ratio(&means(&[value])), Some([value, value]));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn intervals_lie_inside_the_values_and_repeat(values in proptest::collection::vec(-5.0..5.0_f64, 1..30)) {
            let bootstrap = Bootstrap { resamples: 100, ..Bootstrap::default() };
            let [low, high] = bootstrap.of_ratio(&means(&values)).unwrap();
            let (min, max) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
            prop_assert!(min - 1e-9 <= low && low <= high && high <= max + 1e-9);
            prop_assert_eq!(bootstrap.of_ratio(&means(&values)), Some([low, high]));
        }
    }
}
