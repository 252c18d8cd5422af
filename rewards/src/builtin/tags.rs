//! Rewards answers that keep to tags: first the thought, then the answer.

use collimate_types::{Answer, BoxError, Prompt, Reward, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Builtin, CardCase, KnobCard, RewardCard, RewardError, knobs};

/// The most tags.
const MAX_TAGS: usize = 16;

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Knobs {
    /// The tags, in the order in which they must stand.
    tags: Vec<String>,
    /// Whether the prompt has opened the first tag.
    opened: bool,
    /// Whether an answer that breaks the form gets the share of the tags that occur once.
    partial: bool,
    /// The score of an answer that keeps the form.
    right: f64,
    /// The score of any other answer.
    wrong: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { tags: vec!["think".into(), "answer".into()], opened: false, partial: false, right: 1.0, wrong: 0.0 }
    }
}

static CARD: RewardCard = RewardCard {
    name: "tags",
    claim: "The answer is <think>..</think><answer>..</answer> and nothing else: each tag once, in order, with something in it.",
    knobs: &[
        KnobCard { name: "tags", help: "The tags, in the order in which they must stand.", default: r#"["think", "answer"]"# },
        KnobCard { name: "opened", help: "Whether the prompt has opened the first tag already.", default: "false" },
        KnobCard {
            name: "partial",
            help: "Whether a broken form gets a part: wrong + (right - wrong) / 2 times the share of opening and closing tags that occur once.",
            default: "false",
        },
        KnobCard { name: "right", help: "The score of an answer that keeps the form.", default: "1.0" },
        KnobCard { name: "wrong", help: "The score of any other answer.", default: "0.0" },
    ],
    cases: &[
        CardCase::new("null", "<think>2 + 2</think>\n<answer>4</answer>", 1.0),
        CardCase::new("null", "<think>2 + 2</think> 4", 0.0),
        CardCase::new("null", "<think>2 + 2</think> 4", 0.25).with(r#"{"partial": true}"#),
        CardCase::new("null", "2 + 2</think><answer>4</answer>", 1.0).with(r#"{"opened": true}"#),
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
        let good = |tag: &String| !tag.is_empty() && tag.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '|'));
        let twice = knobs.tags.iter().enumerate().any(|(i, tag)| knobs.tags[..i].contains(tag));
        if knobs.tags.is_empty() || knobs.tags.len() > MAX_TAGS || twice || !knobs.tags.iter().all(good) {
            let wanted = format!("up to {MAX_TAGS} different names of letters, digits, `_`, `-` and `|`, without the angle brackets");
            return Err(vec![knobs::impossible(&CARD, "tags", &json!(knobs.tags), wanted)]);
        }
        Ok(Box::new(knobs))
    }
}

impl Reward for Knobs {
    fn score(&self, _prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        let share = if !self.partial { 0.0 } else { 0.5 * self.share(answer.text) };
        let share = if self.keeps(answer.text) { 1.0 } else { share };
        Ok(Verdict::score_of(self.wrong + (self.right - self.wrong) * share))
    }
}

impl Knobs {
    /// The marks that must stand in an answer, in order.
    fn marks(&self) -> Vec<String> {
        let marks = self.tags.iter().flat_map(|tag| [format!("<{tag}>"), format!("</{tag}>")]);
        marks.skip(usize::from(self.opened)).collect()
    }

    fn keeps(&self, text: &str) -> bool {
        let marks = self.marks();
        if marks.iter().any(|mark| text.matches(mark.as_str()).count() != 1) {
            return false;
        }
        let mut rest = text;
        for mark in &marks {
            let Some((before, after)) = rest.split_once(mark.as_str()) else { return false };
            // Before an opening tag stands nothing; before a closing tag stands something.
            if before.trim().is_empty() == mark.starts_with("</") {
                return false;
            }
            rest = after;
        }
        rest.trim().is_empty()
    }

    /// The share of the marks that occur exactly once.
    fn share(&self, text: &str) -> f64 {
        let marks = self.marks();
        let once = marks.iter().filter(|mark| text.matches(mark.as_str()).count() == 1).count();
        once as f64 / marks.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_lists_the_knobs() {
        super::super::assert_card_matches::<Knobs>(&CARD);
    }

    #[test]
    fn every_way_to_break_the_form_is_seen() {
        let knobs = Knobs::default();
        assert!(knobs.keeps(" <think>a <b> c</think>\n\n<answer>4</answer>\n"));
        let broken = [
            "",
            "<answer>4</answer><think>a</think>",
            "<think>a</think><answer>4</answer>!",
            "so <think>a</think><answer>4</answer>",
            "<think>a</think> and <answer>4</answer>",
            "<think> </think><answer>4</answer>",
            "<think>a</think><answer></answer>",
            "<think>a</think><think>b</think><answer>4</answer>",
            "<think>a<answer>4</think></answer>",
            "<think>a</think><answer>4",
        ];
        for text in broken {
            assert!(!knobs.keeps(text), "`{text}`");
        }
    }

    #[test]
    fn tags_that_are_no_names_are_refused() {
        for tags in [json!([]), json!(["<think>"]), json!(["a", "a"]), json!([""])] {
            assert!(BUILTIN.build(&Map::from_iter([("tags".to_owned(), tags.clone())])).is_err(), "{tags}");
        }
    }
}
