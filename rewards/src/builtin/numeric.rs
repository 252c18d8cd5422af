//! Compares the number in an answer with the true one, exactly.

use collimate_types::{Answer, BoxError, Prompt, Reward, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::scan::Reading;
use crate::{Builtin, CardCase, Extract, KnobCard, Number, RewardCard, RewardError, knobs, truth};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Knobs {
    /// Which number of the answer counts.
    extract: Extract,
    /// The field of the truth that holds the number. A truth that is itself a number or a text is taken as it is.
    field: String,
    /// What a percent sign means.
    percent: Percent,
    /// The score of a right answer.
    right: f64,
    /// The score of any other answer, one without a number included.
    wrong: f64,
}

/// What a percent sign means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Percent {
    /// It is a unit like any other: `50%` is 50. Word problems ask for percentages and give the answer without the sign.
    #[default]
    Unit,
    /// `50%` is 0.5.
    Hundredth,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { extract: Extract::Auto, field: "answer".into(), percent: Percent::Unit, right: 1.0, wrong: 0.0 }
    }
}

static CARD: RewardCard = RewardCard {
    name: "numeric",
    claim: "The number in the answer equals the true one, exactly: 0.5 = 1/2 = .50, 1,000 = 1e3.",
    knobs: &[
        KnobCard {
            name: "extract",
            help: "Which number counts: hash (after ####), boxed (\\boxed{}), last, whole (nothing else may stand there), or auto: \
                   what is marked by #### or \\boxed{}, whichever stands last, else the last number.",
            default: "\"auto\"",
        },
        KnobCard { name: "field", help: "The field of the truth that holds the number.", default: "\"answer\"" },
        KnobCard { name: "percent", help: "What 50% means: unit (50) or hundredth (0.5).", default: "\"unit\"" },
        KnobCard { name: "right", help: "The score of a right answer.", default: "1.0" },
        KnobCard { name: "wrong", help: "The score of any other answer, one without a number included.", default: "0.0" },
    ],
    cases: &[
        CardCase::new(r#"{"answer": "1,000"}"#, "It makes 1e3 in all.", 1.0),
        CardCase::new(r#"{"answer": "1/2"}"#, "#### 0.5001", 0.0),
        CardCase::unscorable(r#"{"answer": "about 42"}"#, "42"),
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
        knobs::finite(&CARD, &[("right", knobs.right), ("wrong", knobs.wrong)])?;
        Ok(Box::new(knobs))
    }
}

impl Reward for Knobs {
    fn score(&self, prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        let truth = match self.truth(&prompt.task.truth) {
            Ok(truth) => truth,
            Err(reason) => return Ok(Verdict::Unscorable { reason }),
        };
        let given = self.extract.find(answer.text).map(|r| self.value(r));
        Ok(Verdict::score_of(if given.as_ref() == Some(&truth) { self.right } else { self.wrong }))
    }
}

impl Knobs {
    fn value(&self, Reading { number, percent }: Reading) -> Number {
        if percent && self.percent == Percent::Hundredth { number.hundredth() } else { number }
    }

    /// The true number, or why there is none.
    fn truth(&self, truth: &Value) -> Result<Number, String> {
        let (place, value) = truth::field(truth, &self.field)?;
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(format!("{place} is neither a number nor a text")),
        };
        // A truth is a number, or a whole solution whose result is marked: never just the last number of some text.
        let marked = || Extract::Hash.find(&text).or_else(|| Extract::Boxed.find(&text));
        let reading = Extract::Whole.find(&text).or_else(marked);
        let shown: String = text.chars().take(60).collect();
        reading.map(|r| self.value(r)).ok_or_else(|| format!("{place} is `{shown}`, which is not a number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::testing::{answer, prompt};
    use serde_json::json;

    fn verdict(knobs: Value, truth: Value, text: &str) -> Verdict {
        let Value::Object(knobs) = knobs else { panic!("not an object") };
        let reward = BUILTIN.build(&knobs).unwrap_or_else(|e| panic!("{e:?}"));
        reward.score(&prompt(truth), &answer(text)).unwrap()
    }

    fn score(truth: Value, text: &str) -> f64 {
        verdict(json!({}), truth, text).score().unwrap_or_else(|| panic!("no score for `{text}`")).total
    }

    #[test]
    fn the_card_lists_the_knobs() {
        super::super::assert_card_matches::<Knobs>(&CARD);
    }

    #[test]
    fn right_answers_score_however_they_are_written() {
        for text in
            ["42", "42.", "$42", "It is 42 apples.", "#### 1\n#### 42", "\\boxed{\\text{42}}", "42.0", "84/2", " 42\n", "4.2e1", "42%"]
        {
            assert_eq!(score(json!({"answer": "42"}), text), 1.0, "`{text}`");
            assert_eq!(score(json!({"answer": 42}), text), 1.0, "`{text}`");
        }
        assert_eq!(score(json!({"answer": "1,000"}), "1e3"), 1.0);
        assert_eq!(score(json!(0.1), "1/10"), 1.0);
        assert_eq!(score(json!("#### -5"), "x = −5"), 1.0);
    }

    #[test]
    fn other_answers_are_wrong_and_no_fault() {
        for text in ["", "none", "-42", "43", "4 2", "1e999999", "42/0", "42 or 43", "٤٢"] {
            assert_eq!(score(json!({"answer": "42"}), text), 0.0, "`{text}`");
        }
    }

    #[test]
    fn a_truth_that_cannot_be_compared_is_unscorable_and_named() {
        let cases = [
            (json!({"result": "42"}), "no field `answer`"),
            (json!({"answer": null}), "field `answer` of the truth is neither"),
            (json!({"answer": "about 42"}), "is `about 42`, which is not a number"),
            (json!(null), "the truth is neither"),
            (json!({"answer": "1/0"}), "not a number"),
        ];
        for (truth, wanted) in cases {
            match verdict(json!({}), truth, "42") {
                Verdict::Unscorable { reason } => assert!(reason.contains(wanted), "{reason}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn the_knobs_do_what_they_say() {
        let total = |knobs, truth, text| verdict(knobs, truth, text).score().map(|s| s.total);
        assert_eq!(total(json!({"extract": "whole"}), json!(5), "It is 5"), Some(0.0));
        assert_eq!(total(json!({"field": "n"}), json!({"n": 5}), "5"), Some(1.0));
        assert_eq!(total(json!({"percent": "hundredth"}), json!("0.5"), "50%"), Some(1.0));
        assert_eq!(total(json!({"percent": "hundredth"}), json!("50%"), "1/2"), Some(1.0));
        assert_eq!(total(json!({"right": 2, "wrong": -1}), json!(5), "6"), Some(-1.0));
        assert!(BUILTIN.build(&Map::from_iter([("extract".into(), json!("first"))])).is_err());
    }

    #[test]
    fn hostile_answers_of_ten_megabytes_are_judged_in_a_blink() {
        let size = 10 << 20;
        let pieces =
            ["1", "1,", "1/", ".1", "-", "$", "\\boxed{", "{", "#### ", "#", "1e1", "\\frac{", "\\", "x1", "1,111", "1e-", "−", "{,}"];
        for piece in pieces {
            let text = piece.repeat(size / piece.len());
            let start = std::time::Instant::now();
            assert_eq!(score(json!(42), &text), 0.0, "`{piece}`");
            assert!(start.elapsed().as_secs_f64() < 3.0, "`{piece}` took {:?}", start.elapsed());
        }
    }
}
