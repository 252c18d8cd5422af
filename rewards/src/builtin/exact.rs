//! Compares an answer with the true text.

use collimate_types::{Answer, BoxError, Prompt, Reward, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::tagged::tagged;
use crate::{Builtin, CardCase, KnobCard, RewardCard, RewardError, knobs, truth};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Knobs {
    /// What does not count as a difference.
    normalise: Normalise,
    /// The tag whose content is the answer; all of it if empty.
    within: String,
    /// The field of the truth that holds the text.
    field: String,
    /// The score of an answer that matches.
    right: f64,
    /// The score of any other answer.
    wrong: f64,
}

/// What does not count as a difference; each takes the ones before it along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Normalise {
    /// White space at the ends of an answer.
    None,
    /// White space, as long as it is there.
    #[default]
    Space,
    /// Case.
    Case,
    /// Punctuation and the articles a, an, the (as SQuAD's evaluation has it).
    Words,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { normalise: Normalise::Space, within: String::new(), field: "answer".into(), right: 1.0, wrong: 0.0 }
    }
}

static CARD: RewardCard = RewardCard {
    name: "exact",
    claim: "The answer is the true text, or one of several; case, punctuation and articles count unless said otherwise.",
    knobs: &[
        KnobCard {
            name: "normalise",
            help: "What is no difference: none, space (runs of white space), case (that and case), words (that, punctuation and articles).",
            default: "\"space\"",
        },
        KnobCard {
            name: "within",
            help: "The tag whose last content is the answer (`answer` for <answer>..</answer>); empty: all of it.",
            default: "\"\"",
        },
        KnobCard { name: "field", help: "The field of the truth that holds the text; a list means any of them.", default: "\"answer\"" },
        KnobCard { name: "right", help: "The score of an answer that matches.", default: "1.0" },
        KnobCard { name: "wrong", help: "The score of any other answer.", default: "0.0" },
    ],
    cases: &[
        CardCase::new(r#"{"answer": "New York"}"#, " New  York\n", 1.0),
        CardCase::new(r#"{"answer": "New York"}"#, "new york", 0.0),
        CardCase::new(r#"{"answer": ["Beatles", "Fab Four"]}"#, "<answer>The Beatles.</answer>", 1.0)
            .with(r#"{"normalise": "words", "within": "answer"}"#),
        CardCase::unscorable(r#"{"result": "x"}"#, "x"),
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
        let truths = match truth::texts(&prompt.task.truth, &self.field) {
            Ok(truths) => truths,
            Err(reason) => return Ok(Verdict::Unscorable { reason }),
        };
        let given = tagged(answer.text, &self.within);
        // An answer that is far longer than every truth is none of them, whatever is taken off.
        let longest = 4 * truths.iter().map(String::len).max().unwrap_or(0) + (64 << 10);
        let given = given.filter(|text| text.len() <= longest).map(|text| self.normalise.of(text));
        let right = given.is_some_and(|given| truths.iter().any(|truth| self.normalise.of(truth) == given));
        Ok(Verdict::score_of(if right { self.right } else { self.wrong }))
    }
}

impl Normalise {
    fn of(self, text: &str) -> String {
        let lower = || text.to_lowercase();
        match self {
            Self::None => text.trim().to_owned(),
            Self::Space => spaced(text),
            Self::Case => spaced(&lower()),
            Self::Words => {
                let kept: String = lower().chars().filter(|c| c.is_alphanumeric() || c.is_whitespace()).collect();
                spaced(&kept.split_whitespace().filter(|word| !matches!(*word, "a" | "an" | "the")).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_lists_the_knobs() {
        super::super::assert_card_matches::<Knobs>(&CARD);
    }

    #[test]
    fn each_step_forgives_more_than_the_one_before() {
        let steps = [Normalise::None, Normalise::Space, Normalise::Case, Normalise::Words];
        let same = |a: &str, b: &str| steps.map(|step| step.of(a) == step.of(b));
        assert_eq!(same("a b ", "a b"), [true; 4]);
        assert_eq!(same("a\n b", "a b"), [false, true, true, true]);
        assert_eq!(same("Ünit", "ünit"), [false, false, true, true]);
        assert_eq!(same("the cat!", "Cat"), [false, false, false, true]);
        assert_eq!(same("cat", "cats"), [false; 4]);
    }
}
