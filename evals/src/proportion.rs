//! Shares of a sample, and how far they can be trusted.

use serde::{Deserialize, Serialize};

/// The 0.975 quantile of the standard normal law, for two-sided 95% intervals (Abramowitz and Stegun 1964, table 26.5, give 1.95996 40).
pub const Z_95: f64 = 1.959_963_984_540_054;

/// Counts that make no proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// Nothing was counted.
    #[error("none of {unscorable} answers could be judged; look at the reward and at the truth of the rows")]
    NothingJudged {
        /// How many answers had no score.
        unscorable: u64,
    },
    /// More successes than trials.
    #[error("{successes} successes of {n} trials: there cannot be more successes than trials")]
    TooManySuccesses {
        /// Successes.
        successes: u64,
        /// Trials.
        n: u64,
    },
}

/// A share of a sample: `successes` of `n`, n ≥ 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Counts", into = "Counts")]
pub struct Proportion {
    successes: u64,
    n: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    successes: u64,
    n: u64,
}

impl TryFrom<Counts> for Proportion {
    type Error = EvalError;

    fn try_from(counts: Counts) -> Result<Self, EvalError> {
        Self::new(counts.successes, counts.n)
    }
}

impl From<Proportion> for Counts {
    fn from(p: Proportion) -> Self {
        Self { successes: p.successes, n: p.n }
    }
}

impl Proportion {
    /// `successes` of `n`.
    ///
    /// # Errors
    /// If n is 0 or less than the successes.
    pub fn new(successes: u64, n: u64) -> Result<Self, EvalError> {
        match n {
            0 => Err(EvalError::NothingJudged { unscorable: 0 }),
            _ if successes > n => Err(EvalError::TooManySuccesses { successes, n }),
            _ => Ok(Self { successes, n }),
        }
    }

    /// How many succeeded.
    #[must_use]
    pub fn successes(self) -> u64 {
        self.successes
    }

    /// How many were tried.
    #[must_use]
    pub fn n(self) -> u64 {
        self.n
    }

    /// p = successes / n, 0 to 1.
    #[must_use]
    pub fn share(self) -> f64 {
        self.successes as f64 / self.n as f64
    }

    /// Wilson's 95% interval (Wilson 1927; Newcombe 1998, Statistics in Medicine 17:857, method 3): all shares π that the sample is less
    /// than z standard errors away from, `|p − π| ≤ z·√(π(1 − π)/n)`. Unlike p ± z·√(p(1 − p)/n) it stays within [0, 1] and has a
    /// width at p = 0 and p = 1.
    ///
    /// ```
    /// use collimate_evals::Proportion;
    /// let [low, high] = Proportion::new(75, 200)?.interval();
    /// assert_eq!(format!("{:.1}% to {:.1}%", 100.0 * low, 100.0 * high), "31.1% to 44.4%");
    /// # Ok::<(), collimate_evals::EvalError>(())
    /// ```
    #[must_use]
    pub fn interval(self) -> [f64; 2] {
        let (n, p, z2) = (self.n as f64, self.share(), Z_95 * Z_95);
        let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z_95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        // Rounding must not leave 1e-17 where the mathematics says 0.
        let low = if self.successes == 0 { 0.0 } else { centre - half };
        let high = if self.successes == self.n { 1.0 } else { centre + half };
        [low, high]
    }

    /// How far this share lies above another, of an independent sample.
    #[must_use]
    pub fn above(self, other: Self) -> Difference {
        let (p, q) = (self.share(), other.share());
        let ([p_low, p_high], [q_low, q_high]) = (self.interval(), other.interval());
        let estimate = p - q;
        let interval = [estimate - (p - p_low).hypot(q_high - q), estimate + (p_high - p).hypot(q - q_low)];
        Difference { estimate, interval, apart: p_low > q_high || q_low > p_high }
    }
}

/// A difference of two shares of independent samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The first share less the second, −1 to 1.
    pub estimate: f64,
    /// Newcombe's 95% interval of it, made of the two Wilson intervals (Newcombe 1998, Statistics in Medicine 17:873, method 10).
    ///
    /// Before and after a training the same questions are asked: the two samples are then positively correlated as a rule, and the
    /// interval is wider than it need be.
    pub interval: [f64; 2],
    /// Whether the two 95% intervals do not touch: more than a significant difference.
    pub apart: bool,
}

impl Difference {
    /// Whether the interval leaves out 0: a two-sided test at the 5% level.
    #[must_use]
    pub fn significant(&self) -> bool {
        self.interval[0] > 0.0 || self.interval[1] < 0.0
    }
}

impl std::fmt::Display for Difference {
    /// In points: `+30.5 points [+22.1, +38.2]`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [low, high] = self.interval.map(|v| 100.0 * v);
        write!(f, "{:+.1} points [{low:+.1}, {high:+.1}]", 100.0 * self.estimate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::Seed;
    use proptest::prelude::*;

    fn of(successes: u64, n: u64) -> Proportion {
        Proportion::new(successes, n).unwrap()
    }

    #[track_caller]
    fn close(got: [f64; 2], wanted: [f64; 2]) {
        assert!(got.iter().zip(wanted).all(|(g, w)| (g - w).abs() < 5.1e-5), "{got:?} is not {wanted:?}");
    }

    #[test]
    fn intervals_are_those_of_the_literature() {
        // Newcombe 1998, 17:857, table I, method 3.
        for (x, n, wanted) in [(81, 263, [0.2553, 0.3662]), (15, 148, [0.0624, 0.1605]), (0, 20, [0.0, 0.1611]), (1, 29, [0.0061, 0.1718])]
        {
            close(of(x, n).interval(), wanted);
        }
    }

    #[test]
    fn differences_are_those_of_the_literature() {
        // Newcombe 1998, 17:873, table II, method 10.
        let cases = [
            ((56, 70), (48, 80), [0.0524, 0.3339]),
            ((9, 10), (3, 10), [0.1705, 0.8090]),
            ((6, 7), (2, 7), [0.0582, 0.8062]),
            ((5, 56), (0, 29), [-0.0381, 0.1926]),
            ((0, 10), (0, 20), [-0.1611, 0.2775]),
            ((10, 10), (0, 20), [0.6791, 1.0]),
        ];
        for ((a, n), (b, m), wanted) in cases {
            let difference = of(a, n).above(of(b, m));
            close(difference.interval, wanted);
            assert_eq!(difference.significant(), wanted[0] > 0.0);
        }
    }

    #[test]
    fn the_interval_covers_the_true_share_as_often_as_it_says() {
        // The mean coverage of Wilson's interval lies close to 95% even for small n and extreme shares (Agresti and Coull 1998).
        let draws = 4000;
        for (n, share) in [(50_u64, 0.1), (200, 0.375), (200, 0.05), (1000, 0.9)] {
            let covered = (0..draws).filter(|draw| {
                // Each address gives 64 bits: enough for one trial.
                let seed = Seed(n).fork("coverage", *draw);
                let successes = (0..n).filter(|i| (seed.fork("trial", *i).0 as f64) < share * 2.0_f64.powi(64)).count() as u64;
                let [low, high] = of(successes, n).interval();
                (low..=high).contains(&share)
            });
            let coverage = covered.count() as f64 / draws as f64;
            assert!((0.93..=0.975).contains(&coverage), "n = {n}, share = {share}: {coverage}");
        }
    }

    proptest! {
        #[test]
        fn intervals_are_ordered_symmetric_and_solve_wilsons_equation(n in 1_u64..5000, part in 0.0..=1.0_f64) {
            let x = (part * n as f64).round() as u64;
            let ([low, high], p) = (of(x, n).interval(), of(x, n).share());
            prop_assert!(0.0 <= low && low <= p && p <= high && high <= 1.0 && low < high);
            let [mirror_low, mirror_high] = of(n - x, n).interval();
            prop_assert!((low - (1.0 - mirror_high)).abs() < 1e-12 && (high - (1.0 - mirror_low)).abs() < 1e-12);
            for end in [low, high] {
                prop_assert!(((p - end).powi(2) - Z_95 * Z_95 * end * (1.0 - end) / n as f64).abs() < 1e-12);
            }
        }

        #[test]
        fn a_difference_turns_around_with_its_shares(a in 0_u64..=60, b in 0_u64..=40) {
            let (one, other) = (of(a, 60).above(of(b, 40)), of(b, 40).above(of(a, 60)));
            prop_assert!((one.interval[0] + other.interval[1]).abs() < 1e-12 && (one.estimate + other.estimate).abs() < 1e-12);
            prop_assert!(one.interval[0] <= one.estimate && one.estimate <= one.interval[1]);
            prop_assert!(!one.apart || one.significant());
        }
    }

    #[test]
    fn counts_that_make_no_share_are_refused() {
        assert!(Proportion::new(0, 0).is_err() && Proportion::new(3, 2).is_err());
        assert!(serde_json::from_str::<Proportion>(r#"{"successes": 3, "n": 2}"#).is_err());
        assert_eq!(serde_json::to_string(&of(1, 2)).unwrap(), r#"{"successes":1,"n":2}"#);
    }

    #[test]
    fn a_difference_is_shown_in_points() {
        assert_eq!(of(9, 10).above(of(3, 10)).to_string(), "+60.0 points [+17.1, +80.9]");
    }
}
