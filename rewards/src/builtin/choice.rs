//! Compares the letter of a multiple choice with the true one.

use collimate_types::{Answer, BoxError, Prompt, Reward, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::extract::last_boxed;
use crate::tagged::tagged;
use crate::{Builtin, CardCase, KnobCard, RewardCard, RewardError, knobs, truth};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Knobs {
    /// The letters, in order.
    letters: String,
    /// The tag whose content is the answer; all of it if empty.
    within: String,
    /// The field of the truth that holds the letter, or its index.
    field: String,
    /// The score of the right letter.
    right: f64,
    /// The score of any other answer.
    wrong: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { letters: "ABCDEFGH".into(), within: String::new(), field: "answer".into(), right: 1.0, wrong: 0.0 }
    }
}

static CARD: RewardCard = RewardCard {
    name: "choice",
    claim: "The answer names the true letter: in \\boxed{}, after \"answer is\" or \"answer:\", or as its first or last word.",
    knobs: &[
        KnobCard { name: "letters", help: "The letters that can be chosen, in order.", default: "\"ABCDEFGH\"" },
        KnobCard { name: "within", help: "The tag whose last content is the answer; empty: all of it.", default: "\"\"" },
        KnobCard { name: "field", help: "The field of the truth that holds the letter, or its index from 0.", default: "\"answer\"" },
        KnobCard { name: "right", help: "The score of the right letter.", default: "1.0" },
        KnobCard { name: "wrong", help: "The score of any other answer, one without a letter included.", default: "0.0" },
    ],
    cases: &[
        CardCase::new(r#"{"answer": "B"}"#, "It cannot be A, so the answer is (B).", 1.0),
        CardCase::new(r#"{"answer": 1}"#, "B. Paris", 1.0),
        CardCase::new(r#"{"answer": "B"}"#, r"B seems right, but \boxed{C}", 0.0),
        CardCase::unscorable(r#"{"answer": "Z"}"#, "B"),
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
        let letters: Vec<char> = knobs.letters.chars().collect();
        let twice = letters.iter().enumerate().any(|(i, c)| letters[..i].contains(c));
        if letters.len() < 2 || twice || !letters.iter().all(char::is_ascii_uppercase) {
            return Err(vec![knobs::impossible(&CARD, "letters", &json!(knobs.letters), "two or more different letters from A to Z")]);
        }
        Ok(Box::new(knobs))
    }
}

impl Reward for Knobs {
    fn score(&self, prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        let wanted = match self.truth(&prompt.task.truth) {
            Ok(wanted) => wanted,
            Err(reason) => return Ok(Verdict::Unscorable { reason }),
        };
        let given = tagged(answer.text, &self.within).and_then(|text| self.letter(text));
        Ok(Verdict::score_of(if given == Some(wanted) { self.right } else { self.wrong }))
    }
}

impl Knobs {
    fn truth(&self, truth: &Value) -> Result<char, String> {
        let (place, value) = truth::field(truth, &self.field)?;
        let found = match value {
            Value::String(text) => self.alone(text),
            Value::Number(index) => index.as_u64().and_then(|i| self.letters.chars().nth(usize::try_from(i).ok()?)),
            _ => None,
        };
        found.ok_or_else(|| format!("{place} is {value}, which is none of the letters {}", self.letters))
    }

    /// The letter that an answer names.
    fn letter(&self, text: &str) -> Option<char> {
        if let Some((_, content)) = last_boxed(text) {
            return self.alone(content).or_else(|| self.first(content));
        }
        let clues = ["answer is", "answer:", "Answer is", "Answer:", "ANSWER:", "choice is", "option is"];
        let told = clues.iter().filter_map(|clue| text.rfind(clue).map(|at| at + clue.len())).max();
        if let Some(at) = told {
            return self.first(&text[at..]);
        }
        self.first(text).or_else(|| self.alone(text.rsplit(char::is_whitespace).next()?))
    }

    /// A text that is nothing but a letter with its marks: `(B)`, `B.`, `\text{B}`.
    fn alone(&self, text: &str) -> Option<char> {
        let bare = text.trim().trim_start_matches("\\textbf").trim_start_matches("\\text").trim_start_matches("\\mathrm");
        let mut kept = bare.chars().filter(|c| !c.is_whitespace() && !"(){}[].:,*$".contains(*c));
        let letter = kept.next().filter(|c| self.letters.contains(*c))?;
        kept.next().is_none().then_some(letter)
    }

    /// The letter that a text opens with: `B`, `(B) Paris`, `**B.** Paris`; `A dog` opens with a word.
    fn first(&self, text: &str) -> Option<char> {
        let text = text.trim_start_matches(|c: char| c.is_whitespace() || "*:$".contains(c));
        let text = ["option ", "Option ", "choice ", "\\text{", "\\textbf{", "\\mathrm{"]
            .iter()
            .find_map(|p| text.strip_prefix(p))
            .unwrap_or(text);
        let bracketed = text.starts_with(['(', '[']);
        let mut rest = text.trim_start_matches(['(', '[']).chars();
        let letter = rest.next().filter(|c| self.letters.contains(*c))?;
        let mark = rest.next();
        let marked = matches!(mark, None | Some(')' | ']' | '.' | ':' | ',' | '*' | '}' | '\n' | '$'));
        // "B because .." names the letter; "A dog" does not, for "A" is an article.
        let word = mark.is_some_and(char::is_whitespace) && letter != 'A' && letter != 'I';
        (marked || word && !bracketed).then_some(letter)
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
    fn letters_are_found_where_people_put_them() {
        let knobs = Knobs::default();
        let named = [
            "B",
            "(B)",
            "B.",
            "B) Paris",
            "**B**",
            "The answer is B",
            "Answer: **B**. Paris",
            "\\boxed{\\text{B}}",
            "answer: option B",
            "so I take (B)",
        ];
        for text in named {
            assert_eq!(knobs.letter(text), Some('B'), "`{text}`");
        }
        for text in ["", "A dog", "Both", "I think so", "The answer is unclear", "b", "Z", "because", "\\boxed{}"] {
            assert_eq!(knobs.letter(text), None, "`{text}`");
        }
    }

    #[test]
    fn letters_that_cannot_be_told_apart_are_refused() {
        for letters in ["A", "AA", "ab", ""] {
            assert!(BUILTIN.build(&Map::from_iter([("letters".to_owned(), json!(letters))])).is_err(), "`{letters}`");
        }
    }
}
