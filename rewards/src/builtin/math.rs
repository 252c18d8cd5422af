//! Compares a mathematical answer with the true one.

use collimate_types::{Answer, BoxError, Prompt, Reward, RolloutGroup, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::math::{Place, Truth};
use crate::{Builtin, CardCase, KnobCard, RewardCard, RewardError, knobs, truth};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Knobs {
    /// Where in the response the answer stands.
    extract: Place,
    /// The field of the truth that holds the answer.
    field: String,
    /// The score of a right answer.
    right: f64,
    /// The score of any other answer.
    wrong: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { extract: Place::Auto, field: "answer".into(), right: 1.0, wrong: 0.0 }
    }
}

static CARD: RewardCard = RewardCard {
    name: "math",
    claim: "The answer equals the true one as mathematics: LaTeX or plain, exactly, never by rounding (docs/math-verifier.md).",
    knobs: &[
        KnobCard {
            name: "extract",
            help: "Where the answer stands: marked (\\boxed{} or ####, whichever is last), boxed, hash, whole (nothing else may stand there), \
                   or auto: what is marked, else what follows \"the answer is\", else the last formula or number.",
            default: "\"auto\"",
        },
        KnobCard { name: "field", help: "The field of the truth that holds the answer; a list means any of them.", default: "\"answer\"" },
        KnobCard { name: "right", help: "The score of a right answer.", default: "1.0" },
        KnobCard { name: "wrong", help: "The score of any other answer, one that cannot be read included.", default: "0.0" },
    ],
    cases: &[
        CardCase::new(r#"{"answer": "\\frac{\\sqrt{3}}{3}"}"#, r"Hence \boxed{1/\sqrt{3}}.", 1.0),
        CardCase::new(r#"{"answer": "1/3"}"#, r"\boxed{0.3333}", 0.0),
        CardCase::new(r#"{"answer": "(-\\infty, 1) \\cup (1, \\infty)"}"#, r"\boxed{x \ne 1}", 1.0),
        CardCase::new(r#"{"answer": "(1, 2)"}"#, r"\boxed{[1, 2]}", 0.0),
        CardCase::unscorable(r#"{"answer": "\\int_0^1 x\\,dx"}"#, r"\boxed{1/2}"),
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
        Ok(self.verdict(&self.truths(prompt), answer.text))
    }

    /// The truth is read once for the whole group.
    fn score_group(&self, group: &RolloutGroup) -> Result<Vec<Verdict>, BoxError> {
        let truths = self.truths(&group.prompt);
        Ok(group.answers().map(|answer| self.verdict(&truths, answer.text)).collect())
    }
}

impl Knobs {
    fn truths(&self, prompt: &Prompt) -> Result<Vec<Truth>, String> {
        let texts = truth::texts(&prompt.task.truth, &self.field)?;
        texts.iter().map(|text| Truth::read(text).map_err(|e| e.to_string())).collect()
    }

    fn verdict(&self, truths: &Result<Vec<Truth>, String>, text: &str) -> Verdict {
        match truths {
            Err(reason) => Verdict::Unscorable { reason: reason.clone() },
            Ok(truths) => {
                let right = truths.iter().any(|truth| truth.equals(text, self.extract));
                Verdict::score_of(if right { self.right } else { self.wrong })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::testing::{answer, group, prompt};
    use serde_json::json;

    #[test]
    fn the_card_lists_the_knobs() {
        super::super::assert_card_matches::<Knobs>(&CARD);
    }

    #[test]
    fn a_group_is_judged_as_its_answers_are() {
        let reward = BUILTIN.build(&Map::new()).unwrap();
        let texts = ["\\boxed{\\frac12}", "0.5", "2", "", "\\boxed{\\alpha"];
        let judged = reward.score_group(&group(json!({"answer": ["1/2", "x"]}), None, &texts)).unwrap();
        assert_eq!(judged.iter().map(|v| v.score().map(|s| s.total)).collect::<Vec<_>>(), [1.0, 1.0, 0.0, 0.0, 0.0].map(Some));
        for (text, verdict) in texts.iter().zip(judged) {
            assert_eq!(reward.score(&prompt(json!({"answer": ["1/2", "x"]})), &answer(text)).unwrap(), verdict);
        }
    }

    #[test]
    fn a_truth_that_cannot_be_read_is_unscorable_even_if_another_one_could() {
        let reward = BUILTIN.build(&Map::new()).unwrap();
        for truth in [json!({"answer": ["1/2", "\\sum x"]}), json!({"result": "1"}), json!({"answer": {"x": 1}})] {
            assert_eq!(reward.score(&prompt(truth.clone()), &answer("1/2")).unwrap().fault(), Some("unscorable"), "{truth}");
        }
    }
}
