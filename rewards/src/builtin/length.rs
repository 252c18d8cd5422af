//! Rewards short answers, or answers of a given length.

use collimate_types::{Answer, BoxError, Prompt, Reward, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Builtin, CardCase, KnobCard, RewardCard, RewardError, knobs};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Knobs {
    /// What is counted.
    unit: Unit,
    /// How the length becomes a score.
    shape: Shape,
    /// The length that `target` wants.
    target: f64,
    /// The length, or the distance from the target, that costs 1.
    scale: f64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    /// Tokens as drawn, the end-of-sequence token included.
    #[default]
    Tokens,
    /// Characters of the text.
    Characters,
}

/// How the length L becomes a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Shape {
    /// −L / scale.
    #[default]
    Linear,
    /// max(0, 1 − |L − target| / scale).
    Target,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { unit: Unit::Tokens, shape: Shape::Linear, target: 100.0, scale: 100.0 }
    }
}

static CARD: RewardCard = RewardCard {
    name: "length",
    claim: "The shorter the better (linear: -L/scale), or the closer to a length (target: max(0, 1 - |L - target|/scale)).",
    knobs: &[
        KnobCard { name: "unit", help: "What L counts: tokens (the end-of-sequence token included) or characters.", default: "\"tokens\"" },
        KnobCard { name: "shape", help: "How L becomes a score: linear or target.", default: "\"linear\"" },
        KnobCard { name: "target", help: "The length that `target` wants, 0 or more.", default: "100.0" },
        KnobCard { name: "scale", help: "The length, or the distance from the target, that costs 1; more than 0.", default: "100.0" },
    ],
    cases: &[
        CardCase::new("null", "ten of them", -1.1).with(r#"{"unit": "characters", "scale": 10}"#),
        CardCase::new("null", "abc", 0.5).with(r#"{"unit": "characters", "shape": "target", "target": 4, "scale": 2}"#),
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
        if !(knobs.scale.is_finite() && knobs.scale > 0.0) {
            faults.push(knobs::impossible(&CARD, "scale", &json!(knobs.scale), "more than 0"));
        }
        if !(knobs.target.is_finite() && knobs.target >= 0.0) {
            faults.push(knobs::impossible(&CARD, "target", &json!(knobs.target), "0 or more"));
        }
        if faults.is_empty() { Ok(Box::new(knobs)) } else { Err(faults) }
    }
}

impl Reward for Knobs {
    fn score(&self, _prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        let length = match self.unit {
            Unit::Tokens => answer.tokens.len(),
            Unit::Characters => answer.text.chars().count(),
        } as f64;
        Ok(Verdict::score_of(match self.shape {
            Shape::Linear => -length / self.scale,
            Shape::Target => (1.0 - (length - self.target).abs() / self.scale).max(0.0),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::testing::{answer, prompt};

    fn score(knobs: Value, text: &str) -> f64 {
        let Value::Object(knobs) = knobs else { panic!("not an object") };
        let reward = BUILTIN.build(&knobs).unwrap_or_else(|e| panic!("{e:?}"));
        reward.score(&prompt(Value::Null), &answer(text)).unwrap().score().unwrap().total
    }

    #[test]
    fn the_card_lists_the_knobs() {
        super::super::assert_card_matches::<Knobs>(&CARD);
    }

    #[test]
    fn lengths_become_scores_as_documented() {
        assert_eq!(score(json!({"unit": "characters", "scale": 10}), "éàü"), -0.3);
        let target = |text: &str| score(json!({"unit": "characters", "shape": "target", "target": 4, "scale": 2}), text);
        assert_eq!(
            [target("abcd"), target("abc"), target("abcde"), target("ab"), target(""), target("abcdefghi")],
            [1.0, 0.5, 0.5, 0.0, 0.0, 0.0]
        );
        assert_eq!(score(json!({}), "abc"), -0.03, "three tokens in the test's answer");
    }

    #[test]
    fn all_impossible_knobs_are_named() {
        let knobs = Map::from_iter([("scale".to_owned(), json!(0)), ("target".to_owned(), json!(-1))]);
        assert_eq!(BUILTIN.build(&knobs).err().map(|e| e.len()), Some(2));
    }
}
