//! Punishes answers that repeat themselves.

use std::collections::HashSet;

use collimate_types::{Answer, BoxError, Prompt, Reward, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Builtin, CardCase, KnobCard, RewardCard, RewardError, knobs};

/// The longest sequence that is looked at.
const MAX_NGRAM: usize = 64;

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Knobs {
    /// How many words or tokens make a sequence.
    ngram: usize,
    /// What a sequence is made of.
    unit: Unit,
    /// The largest punishment.
    penalty: f64,
}

/// What a sequence is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    /// Words between white space, without case.
    #[default]
    Words,
    /// Tokens as drawn.
    Tokens,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { ngram: 3, unit: Unit::Words, penalty: 1.0 }
    }
}

static CARD: RewardCard = RewardCard {
    name: "repetition",
    claim: "Punishes repetition: -penalty times the share of n-grams that have occurred before (after arXiv:2502.03373; open-r1 has the same).",
    knobs: &[
        KnobCard { name: "ngram", help: "How many words or tokens make an n-gram; from 1 to 64.", default: "3" },
        KnobCard { name: "unit", help: "What n-grams are made of: words (without case) or tokens.", default: "\"words\"" },
        KnobCard { name: "penalty", help: "The punishment where nothing is new; 0 or more.", default: "1.0" },
    ],
    cases: &[
        CardCase::new("null", "no words are said twice here", 0.0),
        CardCase::new("null", "go on Go on go on", -0.5),
        CardCase::new("null", "a a a a", -1.5).with(r#"{"ngram": 1, "penalty": 2}"#),
    ],
};

/// The roster's entry.
pub(super) struct Entry;

pub(super) static BUILTIN: Entry = Entry;

impl Builtin for Entry {
    fn card(&self) -> &'static RewardCard {
        &CARD
    }

    fn build(&self, given: &Map<String, Value>) -> Result<Box<dyn Reward>, Vec<RewardError>> {
        let knobs: Knobs = knobs::read(&CARD, given)?;
        let mut faults = Vec::new();
        if !(1..=MAX_NGRAM).contains(&knobs.ngram) {
            faults.push(knobs::impossible(&CARD, "ngram", &json!(knobs.ngram), format!("from 1 to {MAX_NGRAM}")));
        }
        if !(knobs.penalty.is_finite() && knobs.penalty >= 0.0) {
            faults.push(knobs::impossible(&CARD, "penalty", &json!(knobs.penalty), "0 or more"));
        }
        if faults.is_empty() { Ok(Box::new(knobs)) } else { Err(faults) }
    }
}

impl Reward for Knobs {
    fn score(&self, _prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        let share = match self.unit {
            Unit::Tokens => repeated(answer.tokens, self.ngram),
            Unit::Words => {
                let lower = answer.text.to_lowercase();
                repeated(&lower.split_whitespace().collect::<Vec<_>>(), self.ngram)
            }
        };
        Ok(Verdict::score_of(if share > 0.0 { -self.penalty * share } else { 0.0 }))
    }
}

/// The share of n-grams that have occurred before; 0 if there are none.
fn repeated<T: Eq + std::hash::Hash>(items: &[T], n: usize) -> f64 {
    let all = items.windows(n).len();
    let distinct = items.windows(n).collect::<HashSet<_>>().len();
    (all - distinct) as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_lists_the_knobs() {
        super::super::assert_card_matches::<Knobs>(&CARD);
    }

    #[test]
    fn the_share_is_one_minus_distinct_over_all() {
        assert_eq!(repeated(&[1, 2, 1, 2, 1], 2), 0.5);
        assert_eq!((repeated(&[1, 2, 3], 4), repeated::<u8>(&[], 1), repeated(&[7; 5], 1)), (0.0, 0.0, 0.8));
    }

    #[test]
    fn all_impossible_knobs_are_named() {
        let knobs = Map::from_iter([("ngram".to_owned(), json!(0)), ("penalty".to_owned(), json!(-1))]);
        assert_eq!(BUILTIN.build(&knobs).err().map(|e| e.len()), Some(2));
    }
}
