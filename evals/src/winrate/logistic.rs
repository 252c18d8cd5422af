//! The win rate at equal length, by logistic regression.

use serde::{Deserialize, Serialize};

use crate::Bootstrap;
use crate::preference::sigmoid;

/// A weak pull of both coefficients to 0, `½·RIDGE·(θ² + φ²)`: where one model wins always, the likelihood alone has no maximum.
const RIDGE: f64 = 0.01;
/// Newton's method doubles its digits a step; the log-likelihood is concave, so that far fewer than this many are needed.
const MAX_STEPS: usize = 60;

/// The win rate if both answers were equally long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LengthControlled {
    /// `σ(θ)`, 0 to 1.
    pub win_rate: f64,
    /// The percentile interval of it; pairs are drawn anew.
    pub interval: Option<[f64; 2]>,
    /// `φ`: how much a longer answer pleases the judge, in log odds at a difference far above the usual one.
    pub length_effect: f64,
}

/// Fits `P(A wins) = σ(θ + φ·tanh(d / sd))`, where d is how much longer A's answer is and sd the spread of these differences about 0, and
/// sets the length term to 0: the length-controlled win rate of Dubois et al. 2024 (arXiv:2404.04475, eq. 3), without the term for the
/// difficulty of an instruction, which two models alone cannot tell. A pair is `(d, preference for A)`.
///
/// None if all answers are equally long, so that there is nothing to control for.
#[must_use]
pub fn length_controlled(pairs: &[(f64, f64)], bootstrap: Bootstrap) -> Option<LengthControlled> {
    let spread = (pairs.iter().map(|(d, _)| d * d).sum::<f64>() / pairs.len().max(1) as f64).sqrt();
    if !(spread > 0.0 && spread.is_finite()) {
        return None;
    }
    let points: Vec<(f64, f64)> = pairs.iter().map(|(d, y)| ((d / spread).tanh(), *y)).collect();
    let [theta, phi] = fit(&points.iter().copied())?;
    let interval = bootstrap.percentile(points.len(), |picked| fit(&picked.iter().map(|i| points[*i])).map(|[theta, _]| sigmoid(theta)));
    Some(LengthControlled { win_rate: sigmoid(theta), interval, length_effect: phi })
}

/// Newton's method on the penalised log-likelihood of `y ~ σ(θ + φ·x)`, 0 ≤ y ≤ 1.
fn fit(points: &(impl Iterator<Item = (f64, f64)> + Clone)) -> Option<[f64; 2]> {
    let (mut theta, mut phi) = (0.0, 0.0);
    for _ in 0..MAX_STEPS {
        let mut gradient = [-RIDGE * theta, -RIDGE * phi];
        let mut curvature = [RIDGE, 0.0, RIDGE]; // θθ, θφ, φφ
        for (x, y) in points.clone() {
            let p = sigmoid(theta + phi * x);
            let weight = p * (1.0 - p);
            gradient[0] += y - p;
            gradient[1] += (y - p) * x;
            curvature[0] += weight;
            curvature[1] += weight * x;
            curvature[2] += weight * x * x;
        }
        let determinant = curvature[0] * curvature[2] - curvature[1] * curvature[1];
        let mut step = [
            (curvature[2] * gradient[0] - curvature[1] * gradient[1]) / determinant,
            (curvature[0] * gradient[1] - curvature[1] * gradient[0]) / determinant,
        ];
        // Far from the maximum the curvature is small and a whole step may overshoot.
        let size = step[0].hypot(step[1]);
        if size > 2.0 {
            step = step.map(|s| s * 2.0 / size);
        }
        theta += step[0];
        phi += step[1];
        if size < 1e-10 {
            return Some([theta, phi]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::Seed;

    fn of(n: u64, longer_by: impl Fn(u64) -> f64, odds: impl Fn(f64) -> f64) -> LengthControlled {
        let pairs: Vec<(f64, f64)> = (0..n)
            .map(|i| {
                let d = longer_by(i);
                (d, f64::from(u8::from(Seed(11).uniform(i) < sigmoid(odds(d)))))
            })
            .collect();
        length_controlled(&pairs, Bootstrap { resamples: 200, ..Bootstrap::default() }).unwrap()
    }

    #[test]
    fn a_model_that_wins_by_length_alone_wins_nothing_at_equal_length() {
        let longer = |i: u64| 40.0 + 80.0 * (Seed(12).uniform(i) - 0.5);
        let result = of(4000, longer, |d| 2.0 * (d / 46.0).tanh());
        assert!((result.win_rate - 0.5).abs() < 0.06, "{result:?}");
        assert!(result.length_effect > 1.0);
        let [low, high] = result.interval.unwrap();
        assert!(low < 0.52 && 0.48 < high && high - low < 0.25, "{result:?}");
    }

    #[test]
    fn a_model_that_is_better_stays_better() {
        let either = |i: u64| 80.0 * (Seed(13).uniform(i) - 0.5);
        let result = of(4000, either, |_| 1.0);
        assert!((result.win_rate - sigmoid(1.0)).abs() < 0.03 && result.length_effect.abs() < 0.2, "{result:?}");
    }

    #[test]
    fn the_fit_solves_the_equations_of_the_maximum() {
        let points: Vec<(f64, f64)> = (0..50).map(|i| (Seed(1).uniform(i) - 0.3, (Seed(2).uniform(i) * 3.0).floor() / 2.0)).collect();
        let [theta, phi] = fit(&points.iter().copied()).unwrap();
        let residual = |of: fn(f64) -> f64| points.iter().map(|(x, y)| (y - sigmoid(theta + phi * x)) * of(*x)).sum::<f64>();
        assert!((residual(|_| 1.0) - RIDGE * theta).abs() < 1e-8 && (residual(|x| x) - RIDGE * phi).abs() < 1e-8);
    }

    #[test]
    fn one_that_wins_always_has_a_finite_fit() {
        let pairs: Vec<(f64, f64)> = (0..30).map(|i| (f64::from(i % 5) - 2.0, 1.0)).collect();
        let result = length_controlled(&pairs, Bootstrap { resamples: 50, ..Bootstrap::default() }).unwrap();
        assert!(result.win_rate > 0.95 && result.win_rate < 1.0, "{result:?}");
        assert!(length_controlled(&[(0.0, 1.0), (0.0, 0.0)], Bootstrap::default()).is_none());
    }
}
