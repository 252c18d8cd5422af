//! Preference accuracy: how often a scorer puts the answer that people preferred above the other one.
//!
//! ```text
//! ScoredPair, … ── Preference::evaluate ──► PreferenceResult{accuracy, interval, ties, by_*, calibration, length, sign}
//! ```
//!
//! A scorer that gives every answer the same score is right in half of the pairs here, not in all or none: a tie counts 0.5, and the share of
//! ties stands beside every accuracy.

mod breakdown;
mod calibration;
mod length;
mod tables;

use collimate_types::Seed;
use serde::{Deserialize, Serialize};

pub use breakdown::{GroupAccuracy, LENGTH_EDGES};
pub(crate) use calibration::sigmoid;
pub use calibration::{BINS, Calibration, ReliabilityBin};
pub use length::LengthBias;

use crate::{Bootstrap, EvalError, IntervalMethod, Proportion, Unit, ratio};

/// A pair of answers with a scorer's score of each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScoredPair {
    /// The score of the answer that people preferred. `σ(chosen − rejected)` is read as the scorer's probability that they do.
    pub chosen: f64,
    /// The score of the other one.
    pub rejected: f64,
    /// The probability that people prefer `chosen`: 1 as a rule, 0.5 for a tie between them (WebGPT has some).
    pub label: f64,
    /// How long the preferred answer is, in tokens.
    pub chosen_tokens: u64,
    /// How long the other one is, in tokens.
    pub rejected_tokens: u64,
    /// How many turns of the user stand before the answer.
    pub turns: u32,
    /// The part of the data, if there are several: a domain, a folder.
    pub subset: Option<String>,
    /// Pairs with the same question are drawn together: they say less than independent ones. None: alone.
    pub question: Option<String>,
}

impl ScoredPair {
    /// The margin: what `chosen` has over `rejected`.
    #[must_use]
    pub fn margin(&self) -> f64 {
        self.chosen - self.rejected
    }

    /// 1 if the preferred answer scores higher, 0.5 if both score the same, 0 if the other one does.
    #[must_use]
    pub fn outcome(&self) -> f64 {
        outcome(self.margin())
    }

    fn judged(&self) -> bool {
        self.margin().is_finite()
    }

    /// `chosen` less `rejected`, in tokens.
    fn longer_by(&self) -> f64 {
        self.chosen_tokens as f64 - self.rejected_tokens as f64
    }
}

fn outcome(margin: f64) -> f64 {
    if margin > 0.0 {
        1.0
    } else if margin < 0.0 {
        0.0
    } else {
        0.5
    }
}

/// Whether the scores point the right way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignCheck {
    /// The interval lies above one half.
    AboveChance,
    /// One half lies inside the interval: the scorer may know nothing of these preferences.
    Undecided,
    /// The interval lies below one half: the scorer likes what people do not, or its scores are turned around (a head that gives a loss,
    /// labels in the other order).
    Reversed,
    /// Every pair is a tie: the scorer says the same of every answer.
    Constant,
}

impl SignCheck {
    /// What it means, in a sentence.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Self::AboveChance => "the scores point the right way",
            Self::Undecided => "one half lies inside the interval: not told apart from chance",
            Self::Reversed => "below chance: the scorer likes what people do not, or its scores are turned around",
            Self::Constant => "every pair is a tie: the scorer says the same of every answer",
        }
    }
}

/// How a scorer agrees with people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreferenceResult {
    /// The share of pairs in which the preferred answer scores higher, ties as 0.5.
    pub accuracy: f64,
    /// The interval of it.
    pub interval: [f64; 2],
    /// How the interval was made.
    pub interval_method: IntervalMethod,
    /// How many pairs count.
    pub n: u64,
    /// In how many of them both answers score the same.
    pub ties: u64,
    /// `ties / n`.
    pub tie_rate: f64,
    /// Pairs that the scorer could not score. They are no part of `n`.
    pub unscorable: u64,
    /// Pairs that people found equally good. They have no right answer and are no part of `n`, but of the calibration.
    pub human_ties: u64,
    /// Whether the scores point the right way.
    pub sign: SignCheck,
    /// The mean of `chosen − rejected`.
    pub margin_mean: f64,
    /// Its standard deviation.
    pub margin_std: f64,
    /// By part of the data; empty if there is one part.
    pub by_subset: Vec<GroupAccuracy>,
    /// By the number of the user's turns.
    pub by_turns: Vec<GroupAccuracy>,
    /// By how much longer the preferred answer is, in tokens.
    pub by_length_difference: Vec<GroupAccuracy>,
    /// What the scores say as probabilities.
    pub calibration: Calibration,
    /// How much of the agreement is length.
    pub length: LengthBias,
}

/// Evaluates pairs: intervals by a [`Bootstrap`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Preference {
    /// How the intervals are made.
    pub bootstrap: Bootstrap,
}

impl Preference {
    /// Evaluates scored pairs.
    ///
    /// # Errors
    /// If no pair counts.
    pub fn evaluate(&self, pairs: &[ScoredPair]) -> Result<PreferenceResult, EvalError> {
        let unscorable = pairs.iter().filter(|p| !p.judged()).count() as u64;
        let judged: Vec<&ScoredPair> = pairs.iter().filter(|p| p.judged()).collect();
        let counted: Vec<&ScoredPair> = judged.iter().copied().filter(|p| p.label > 0.5).collect();
        let all = self.group("all", &counted).ok_or(EvalError::NothingJudged { unscorable })?;
        let margins: Vec<f64> = counted.iter().map(|p| p.margin()).collect();
        let mean = margins.iter().sum::<f64>() / margins.len() as f64;
        let squares: f64 = margins.iter().map(|m| (m - mean).powi(2)).sum();
        Ok(PreferenceResult {
            accuracy: all.accuracy,
            interval: all.interval,
            interval_method: all.interval_method,
            n: all.n,
            ties: all.ties,
            tie_rate: all.ties as f64 / all.n as f64,
            unscorable,
            human_ties: (judged.len() - counted.len()) as u64,
            sign: sign(&all),
            margin_mean: mean,
            margin_std: if margins.len() < 2 { 0.0 } else { (squares / (margins.len() - 1) as f64).sqrt() },
            by_subset: self.by_subset(&counted),
            by_turns: self.by_turns(&counted),
            by_length_difference: self.by_length(&counted),
            calibration: Calibration::of(&judged),
            length: self.length(&counted),
        })
    }

    /// Accuracy of some pairs, with its interval; none of no pairs.
    fn group(&self, name: &str, pairs: &[&ScoredPair]) -> Option<GroupAccuracy> {
        let units = units(pairs);
        let accuracy = ratio(&units)?;
        let (n, ties) = (pairs.len() as u64, pairs.iter().filter(|p| p.margin() == 0.0).count() as u64);
        let bootstrap = Bootstrap { seed: named(self.bootstrap.seed, name), ..self.bootstrap };
        let resampled = bootstrap.of_ratio(&units).filter(|[low, high]| low < high);
        let (interval, interval_method) = match (resampled, Proportion::new((accuracy * n as f64).round() as u64, n)) {
            (Some(interval), _) => (interval, IntervalMethod::Bca),
            (None, Ok(share)) => (share.interval(), IntervalMethod::Wilson),
            (None, Err(_)) => return None,
        };
        Some(GroupAccuracy { name: name.to_owned(), accuracy, interval, interval_method, n, ties })
    }
}

fn named(seed: Seed, name: &str) -> Seed {
    seed.fork(name, 0)
}

fn sign(all: &GroupAccuracy) -> SignCheck {
    match all.interval {
        _ if all.ties == all.n => SignCheck::Constant,
        [low, _] if low > 0.5 => SignCheck::AboveChance,
        [_, high] if high < 0.5 => SignCheck::Reversed,
        _ => SignCheck::Undecided,
    }
}

/// One unit a question, in the order of their first pairs.
fn units(pairs: &[&ScoredPair]) -> Vec<Unit> {
    let mut places = std::collections::HashMap::new();
    let mut units: Vec<Unit> = Vec::new();
    for pair in pairs {
        let place = match &pair.question {
            Some(question) => *places.entry(question.as_str()).or_insert(units.len()),
            None => units.len(),
        };
        if place == units.len() {
            units.push(Unit::default());
        }
        units[place].sum += pair.outcome();
        units[place].weight += 1.0;
    }
    units
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `n` pairs whose margins are `margin(i)`.
    pub(crate) fn pairs(n: u64, margin: impl Fn(u64) -> f64) -> Vec<ScoredPair> {
        let pair =
            |i| ScoredPair { chosen: margin(i), label: 1.0, chosen_tokens: 10, rejected_tokens: 10, turns: 1, ..ScoredPair::default() };
        (0..n).map(pair).collect()
    }

    fn evaluate(pairs: &[ScoredPair]) -> PreferenceResult {
        Preference::default().evaluate(pairs).unwrap()
    }

    #[test]
    fn a_constant_scorer_is_right_in_half_of_the_pairs_and_is_told_so() {
        let result = evaluate(&pairs(100, |_| 0.0));
        assert_eq!((result.accuracy, result.ties, result.tie_rate, result.sign), (0.5, 100, 1.0, SignCheck::Constant));
        assert_eq!(result.interval_method, IntervalMethod::Wilson);
    }

    #[test]
    fn turning_the_scores_around_turns_the_result_around() {
        let margin = |i: u64| {
            if i.is_multiple_of(4) {
                -1.0
            } else if i % 10 == 1 {
                0.0
            } else {
                2.0
            }
        };
        let (result, reversed) = (evaluate(&pairs(200, margin)), evaluate(&pairs(200, |i| -margin(i))));
        assert!((result.accuracy - (1.0 - reversed.accuracy)).abs() < 1e-12);
        assert_eq!((result.sign, reversed.sign), (SignCheck::AboveChance, SignCheck::Reversed));
        assert_eq!(evaluate(&pairs(20, |i| if i % 2 == 0 { 1.0 } else { -1.0 })).sign, SignCheck::Undecided);
    }

    #[test]
    fn accuracy_counts_a_tie_as_half_and_leaves_out_what_has_no_right_answer() {
        let mut some = pairs(8, |i| [1.0, 1.0, 1.0, 0.0, -1.0, f64::NAN, f64::INFINITY, 5.0][i as usize]);
        some[7].label = 0.5;
        let result = evaluate(&some);
        assert_eq!((result.n, result.ties, result.unscorable, result.human_ties), (5, 1, 2, 1));
        assert!((result.accuracy - 3.5 / 5.0).abs() < 1e-15);
        assert_eq!(Preference::default().evaluate(&some[5..]), Err(EvalError::NothingJudged { unscorable: 2 }));
    }

    #[test]
    fn pairs_of_one_question_say_less_than_independent_ones() {
        let independent = pairs(200, |i| if i % 10 < 7 { 1.0 } else { -1.0 });
        let mut repeated = independent.clone();
        // The same outcomes, but each question was asked ten times with the same end.
        repeated.iter_mut().enumerate().for_each(|(i, p)| {
            p.question = Some((i / 10).to_string());
            p.chosen = if i / 10 % 10 < 7 { 1.0 } else { -1.0 };
        });
        let width = |r: &PreferenceResult| r.interval[1] - r.interval[0];
        let (alone, together) = (evaluate(&independent), evaluate(&repeated));
        assert!((alone.accuracy - 0.7).abs() < 1e-12 && (together.accuracy - 0.7).abs() < 1e-12);
        assert!(width(&together) > 2.0 * width(&alone), "{:?} {:?}", together.interval, alone.interval);
    }

    #[test]
    fn a_result_reads_back() {
        let result = evaluate(&pairs(50, |i| (i as f64 - 20.0) / 7.0));
        let text = serde_json::to_string(&result).unwrap();
        assert_eq!(serde_json::from_str::<PreferenceResult>(&text).unwrap(), result);
    }
}
