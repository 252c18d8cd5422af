//! Win rate: how often a judge prefers one model's answers to another's.
//!
//! Each pair is judged in both orders, since judges favour a position. The two verdicts are averaged: a judge that says "the first one"
//! both times has said nothing, and the pair is a tie.

mod logistic;

use serde::{Deserialize, Serialize};

pub use logistic::{LengthControlled, length_controlled};

use crate::table::{Table, percent, percents};
use crate::{Bootstrap, EvalError, IntervalMethod, Proportion, Unit, ratio};

/// A pair of answers, judged in both orders. A verdict is the judge's probability that A's answer is better: 1, 0, 0.5 for a tie, or what
/// lies between if the judge gives one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct JudgedPair {
    /// With A's answer shown first; none if the judge failed.
    pub a_first: Option<f64>,
    /// With B's answer shown first.
    pub b_first: Option<f64>,
    /// The length of A's answer, in the unit of `b_length`.
    pub a_length: f64,
    /// The length of B's answer.
    pub b_length: f64,
}

impl JudgedPair {
    /// The mean of both verdicts, 0 to 1; none unless both orders were judged, for one order alone holds the judge's liking of a place.
    #[must_use]
    pub fn preference(&self) -> Option<f64> {
        let mean = 0.5 * (self.a_first? + self.b_first?);
        (0.0..=1.0).contains(&mean).then_some(mean)
    }

    /// `A − B`.
    #[must_use]
    pub fn longer_by(&self) -> f64 {
        self.a_length - self.b_length
    }
}

/// How often A wins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WinRateResult {
    /// The mean preference for A, 0 to 1; a tie counts 0.5.
    pub win_rate: f64,
    /// The interval of it; pairs are drawn anew.
    pub interval: [f64; 2],
    /// How the interval was made.
    pub interval_method: IntervalMethod,
    /// How many pairs count.
    pub n: u64,
    /// In how many of them A is preferred.
    pub wins: u64,
    /// In how many B is.
    pub losses: u64,
    /// In how many neither is: the judge said so, or said "the first one" both times.
    pub ties: u64,
    /// Pairs that were not judged in both orders. They are no part of `n`.
    pub unjudged: u64,
    /// The share of pairs in which both orders have the same winner, or a tie.
    pub consistency: f64,
    /// The mean preference for the answer that is shown first: 0.5 for a judge without a liking of a place.
    pub first_preferred: f64,
    /// The mean length of A's answers.
    pub a_length: f64,
    /// The mean length of B's answers.
    pub b_length: f64,
    /// The win rate at equal length; none if all pairs have the same difference.
    pub length_controlled: Option<LengthControlled>,
}

impl WinRateResult {
    /// Sums up judged pairs.
    ///
    /// # Errors
    /// If no pair was judged in both orders.
    pub fn of(pairs: &[JudgedPair], bootstrap: Bootstrap) -> Result<Self, EvalError> {
        let judged: Vec<(&JudgedPair, f64)> = pairs.iter().filter_map(|p| Some((p, p.preference()?))).collect();
        let unjudged = (pairs.len() - judged.len()) as u64;
        let units: Vec<Unit> = judged.iter().map(|(_, p)| Unit::of(*p)).collect();
        let win_rate = ratio(&units).ok_or(EvalError::NothingJudged { unscorable: unjudged })?;
        let n = judged.len();
        let wilson = Proportion::new((win_rate * n as f64).round() as u64, n as u64)?;
        let (interval, interval_method) = match bootstrap.of_ratio(&units).filter(|[low, high]| low < high) {
            Some(interval) => (interval, IntervalMethod::Bca),
            None => (wilson.interval(), IntervalMethod::Wilson),
        };
        let count = |of: &dyn Fn(f64) -> bool| judged.iter().filter(|(_, p)| of(*p)).count() as u64;
        let mean = |of: &dyn Fn(&JudgedPair) -> f64| judged.iter().map(|(p, _)| of(p)).sum::<f64>() / n as f64;
        Ok(Self {
            win_rate,
            interval,
            interval_method,
            n: n as u64,
            wins: count(&|p| p > 0.5),
            losses: count(&|p| p < 0.5),
            ties: count(&|p| p == 0.5),
            unjudged,
            consistency: mean(&|p| f64::from(u8::from(winner(p.a_first) == winner(p.b_first)))),
            // A first: a verdict for A is one for the first place; B first: the other way round.
            first_preferred: mean(&|p| 0.5 * (p.a_first.unwrap_or(0.5) + 1.0 - p.b_first.unwrap_or(0.5))),
            a_length: mean(&|p| p.a_length),
            b_length: mean(&|p| p.b_length),
            length_controlled: length_controlled(&judged.iter().map(|(p, y)| (p.longer_by(), *y)).collect::<Vec<_>>(), bootstrap),
        })
    }

    /// The tables of the result.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        let mut table = Table::new("Win rate of A over B", &["", "value", "95% interval", "n"]);
        table.row(["win rate (ties as 0.5)".into(), percent(self.win_rate), percents(self.interval), self.n.to_string()]);
        if let Some(controlled) = &self.length_controlled {
            table.row(["at equal length".into(), percent(controlled.win_rate), controlled.interval.map_or_else(String::new, percents)]);
        }
        for (name, count) in [("wins", self.wins), ("ties", self.ties), ("losses", self.losses), ("not judged", self.unjudged)] {
            table.row([name.into(), percent(count as f64 / (self.n + self.unjudged) as f64), String::new(), count.to_string()]);
        }
        table.row(["both orders agree".into(), percent(self.consistency)]);
        table.row(["the first answer is preferred".into(), percent(self.first_preferred)]);
        table.row(["mean length, A and B".into(), format!("{:.1} and {:.1}", self.a_length, self.b_length)]);
        vec![table]
    }
}

fn winner(verdict: Option<f64>) -> Option<std::cmp::Ordering> {
    verdict.and_then(|v| v.partial_cmp(&0.5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::Seed;

    fn pair(a_first: f64, b_first: f64) -> JudgedPair {
        JudgedPair { a_first: Some(a_first), b_first: Some(b_first), ..JudgedPair::default() }
    }

    #[test]
    fn a_judge_that_likes_the_first_place_says_nothing() {
        let result = WinRateResult::of(&[pair(1.0, 0.0); 40], Bootstrap::default()).unwrap();
        assert_eq!((result.win_rate, result.ties, result.consistency, result.first_preferred), (0.5, 40, 0.0, 1.0));
        assert!(result.length_controlled.is_none());
    }

    #[test]
    fn swapping_the_models_turns_the_result_around() {
        let pairs: Vec<JudgedPair> = (0..120)
            .map(|i| {
                let verdict = |n: u64| if Seed(n).uniform(i) < 0.7 { 1.0 } else { 0.0 };
                JudgedPair { a_length: 50.0 + 40.0 * Seed(3).uniform(i), b_length: 60.0, ..pair(verdict(1), verdict(2)) }
            })
            .collect();
        let swapped: Vec<JudgedPair> = pairs
            .iter()
            .map(|p| JudgedPair {
                a_first: p.b_first.map(|v| 1.0 - v),
                b_first: p.a_first.map(|v| 1.0 - v),
                a_length: p.b_length,
                b_length: p.a_length,
            })
            .collect();
        let [one, other] = [&pairs, &swapped].map(|p| WinRateResult::of(p, Bootstrap::default()).unwrap());
        assert!((one.win_rate + other.win_rate - 1.0).abs() < 1e-12);
        assert_eq!((one.wins, one.losses, one.ties), (other.losses, other.wins, other.ties));
        assert!((one.first_preferred - other.first_preferred).abs() < 1e-12);
        let controlled = |r: &WinRateResult| r.length_controlled.as_ref().unwrap().win_rate;
        assert!((controlled(&one) + controlled(&other) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_pair_that_was_judged_in_one_order_does_not_count() {
        let mut pairs = vec![pair(1.0, 1.0), pair(1.0, 1.0), pair(0.0, 0.0)];
        pairs[1].b_first = None;
        let result = WinRateResult::of(&pairs, Bootstrap::default()).unwrap();
        assert_eq!((result.n, result.unjudged, result.win_rate), (2, 1, 0.5));
        assert!(WinRateResult::of(&pairs[1..2], Bootstrap::default()).is_err());
        let all = WinRateResult::of(&[pair(1.0, 1.0); 12], Bootstrap::default()).unwrap();
        assert_eq!((all.interval_method, all.interval[1]), (IntervalMethod::Wilson, 1.0), "twelve wins leave doubt");
    }
}
