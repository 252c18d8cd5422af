//! Rewards answers of a given form.

use collimate_types::{Answer, BoxError, Prompt, Reward, Verdict};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Builtin, CardCase, KnobCard, RewardCard, RewardError, knobs};

/// The largest compiled pattern, in bytes.
const MAX_PROGRAM_BYTES: usize = 1 << 20;
/// The longest answer that is matched, in bytes: pattern size times answer length bounds the work.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Knobs {
    /// What the answer must contain, in the syntax of the regex crate (no look-around, no back-references).
    pattern: String,
    /// Whether the pattern must cover the whole answer.
    whole: bool,
    /// The score of an answer that matches.
    right: f64,
    /// The score of any other answer.
    wrong: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { pattern: r"(?s)\A\s*<think>.+</think>.*\S".into(), whole: false, right: 1.0, wrong: 0.0 }
    }
}

static CARD: RewardCard = RewardCard {
    name: "format",
    claim: "The answer matches a regular expression; matching takes linear time.",
    knobs: &[
        KnobCard {
            name: "pattern",
            help: "What the answer must contain, in the syntax of Rust's regex crate (no look-around, no back-references).",
            default: r#""(?s)\\A\\s*<think>.+</think>.*\\S""#,
        },
        KnobCard { name: "whole", help: "Whether the pattern must cover the whole answer.", default: "false" },
        KnobCard { name: "right", help: "The score of an answer that matches.", default: "1.0" },
        KnobCard { name: "wrong", help: "The score of any other answer.", default: "0.0" },
    ],
    cases: &[
        CardCase::new("null", "<think>2 + 2</think> 4", 1.0),
        CardCase::new("null", "4", 0.0),
        CardCase::new("null", "so = 4", 1.0).with(r#"{"pattern": "= -?[0-9]+"}"#),
    ],
};

/// The roster's entry.
pub(super) struct Entry;

pub(super) static BUILTIN: Entry = Entry;

struct Format {
    regex: Regex,
    right: f64,
    wrong: f64,
}

impl Builtin for Entry {
    fn card(&self) -> &'static RewardCard {
        &CARD
    }

    fn build(&self, given: &Map<String, Value>) -> Result<Box<dyn Reward>, Vec<RewardError>> {
        let Knobs { pattern, whole, right, wrong } = knobs::read(&CARD, given)?;
        knobs::finite(&CARD, &[("right", right), ("wrong", wrong)])?;
        let full = if whole { format!(r"\A(?:{pattern})\z") } else { pattern.clone() };
        let mut builder = RegexBuilder::new(&full);
        builder.size_limit(MAX_PROGRAM_BYTES).dfa_size_limit(2 * MAX_PROGRAM_BYTES).nest_limit(100);
        match builder.build() {
            Ok(regex) => Ok(Box::new(Format { regex, right, wrong })),
            Err(error) => Err(vec![knobs::impossible(&CARD, "pattern", &Value::String(pattern), error.to_string())]),
        }
    }
}

impl Reward for Format {
    fn score(&self, _prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        let bytes = answer.text.len();
        if bytes > MAX_ANSWER_BYTES {
            let reason = format!("the answer has {bytes} bytes, and a pattern is matched against at most {MAX_ANSWER_BYTES}");
            return Ok(Verdict::Unscorable { reason });
        }
        Ok(Verdict::score_of(if self.regex.is_match(answer.text) { self.right } else { self.wrong }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::testing::{answer, prompt};
    use serde_json::json;

    fn build(knobs: Value) -> Result<Box<dyn Reward>, Vec<RewardError>> {
        let Value::Object(knobs) = knobs else { panic!("not an object") };
        BUILTIN.build(&knobs)
    }

    fn score(knobs: Value, text: &str) -> Option<f64> {
        let reward = build(knobs).unwrap_or_else(|e| panic!("{e:?}"));
        reward.score(&prompt(Value::Null), &answer(text)).unwrap().score().map(|s| s.total)
    }

    #[test]
    fn the_card_lists_the_knobs() {
        super::super::assert_card_matches::<Knobs>(&CARD);
    }

    #[test]
    fn the_default_asks_for_a_thought_and_an_answer() {
        for (text, wanted) in [("<think>a\nb</think>\n42", 1.0), ("<think>a</think> ", 0.0), ("so <think>a</think>4", 0.0), ("", 0.0)] {
            assert_eq!(score(json!({}), text), Some(wanted), "`{text}`");
        }
    }

    #[test]
    fn whole_means_every_character() {
        let knobs = |whole| json!({"pattern": "a|bc", "whole": whole, "right": 3});
        assert_eq!((score(knobs(true), "bc"), score(knobs(true), "abc"), score(knobs(false), "abc")), (Some(3.0), Some(0.0), Some(3.0)));
        assert_eq!(score(knobs(true), "a\n"), Some(0.0));
    }

    #[test]
    fn patterns_that_are_wrong_or_too_large_are_refused() {
        for pattern in ["(", "(?=x)", r"(a)\1", "((a{999}){999}){9}"] {
            let faults = build(json!({"pattern": pattern})).err().unwrap_or_else(|| panic!("`{pattern}` was taken"));
            assert!(matches!(&faults[..], [RewardError::Knob { knob, .. }] if knob == "pattern"));
        }
        let deep = format!("{}a{}", "(".repeat(5000), ")".repeat(5000));
        assert!(build(json!({"pattern": deep})).is_err());
    }

    #[test]
    fn nested_repeats_and_huge_answers_take_bounded_time() {
        let start = std::time::Instant::now();
        assert_eq!(score(json!({"pattern": "(?:a+)+b"}), &"a".repeat(MAX_ANSWER_BYTES)), Some(0.0));
        assert_eq!(score(json!({}), &"a".repeat(10 << 20)), None);
        assert!(start.elapsed().as_secs_f64() < 2.0, "{:?}", start.elapsed());
    }
}
