//! Rewards answers in one language.

use collimate_types::{Answer, BoxError, Prompt, Reward, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use whatlang::{Lang, detect};

use crate::{Builtin, CardCase, KnobCard, RewardCard, RewardError, knobs};

/// How much of an answer is looked at, in characters.
const LONGEST: usize = 100_000;
/// About how many letters are recognised at once.
const CHUNK: usize = 240;

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Knobs {
    /// The language, by its code of three letters (ISO 639-3).
    language: String,
    /// The fewest letters that are judged.
    min_letters: usize,
    /// The score of an answer with fewer letters.
    neutral: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { language: "eng".into(), min_letters: 20, neutral: 1.0 }
    }
}

static CARD: RewardCard = RewardCard {
    name: "language",
    claim: "The share of the answer's words that stand in passages of the wanted language, as recognised by their trigrams.",
    knobs: &[
        KnobCard {
            name: "language",
            help: "The language, by its code of three letters (ISO 639-3): eng, deu, fra, cmn, spa ..",
            default: "\"eng\"",
        },
        KnobCard {
            name: "min_letters",
            help: "The fewest letters that are judged; formulas, code between backquotes and digits do not count.",
            default: "20",
        },
        KnobCard { name: "neutral", help: "The score of an answer with fewer letters: it is in no language.", default: "1.0" },
    ],
    cases: &[
        CardCase::new("null", "The train leaves the station at noon and arrives in the evening.", 1.0),
        CardCase::new("null", "Der Zug verlässt den Bahnhof am Mittag und kommt am Abend an.", 0.0),
        CardCase::new("null", "Der Zug verlässt den Bahnhof am Mittag und kommt am Abend an.", 1.0).with(r#"{"language": "deu"}"#),
        CardCase::new("null", "$x^2 + 1$", 1.0),
    ],
};

/// The roster's entry.
pub(super) struct Entry;

pub(super) static BUILTIN: Entry = Entry;

struct Language {
    wanted: Lang,
    min_letters: usize,
    neutral: f64,
}

impl Builtin for Entry {
    fn card(&self) -> &'static RewardCard {
        &CARD
    }

    fn build(&self, given: &Map<String, Value>) -> Result<Box<dyn Reward>, Vec<RewardError>> {
        let Knobs { language, min_letters, neutral } = knobs::read(&CARD, given)?;
        knobs::finite(&CARD, &[("neutral", neutral)])?;
        let Some(wanted) = Lang::from_code(&language) else {
            let codes: Vec<&str> = Lang::all().iter().map(|lang| lang.code()).collect();
            return Err(vec![knobs::impossible(&CARD, "language", &json!(language), format!("one of {}", codes.join(", ")))]);
        };
        Ok(Box::new(Language { wanted, min_letters, neutral }))
    }
}

impl Reward for Language {
    fn score(&self, _prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        let text: String = answer.text.chars().take(LONGEST).collect();
        let prose = prose(&text);
        if letters(&prose) < self.min_letters.max(1) {
            return Ok(Verdict::score_of(self.neutral));
        }
        let (mut right, mut all) = (0, 0);
        for passage in passages(&prose) {
            let n = letters(&passage);
            all += n;
            right += if detect(&passage).is_some_and(|found| found.lang() == self.wanted) { n } else { 0 };
        }
        Ok(Verdict::score_of(right as f64 / all.max(1) as f64))
    }
}

fn letters(text: &str) -> usize {
    text.chars().filter(|c| c.is_alphabetic()).count()
}

/// Without formulas, code, tags and commands of LaTeX.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut closing = None;
    let mut in_command = false;
    for c in text.chars() {
        match (closing, c) {
            (Some(end), c) => {
                closing = (c != end).then_some(end);
                out.push(if c == '\n' { '\n' } else { ' ' });
            }
            (None, '$' | '`') => closing = Some(c),
            (None, '<') => closing = Some('>'),
            (None, '\\') => in_command = true,
            (None, c) if in_command && c.is_ascii_alphabetic() => {}
            (None, c) => {
                in_command = false;
                out.push(if c.is_ascii_digit() { ' ' } else { c });
            }
        }
        // A sign that nothing closes in its paragraph opened nothing.
        if c == '\n' && closing != Some('`') {
            closing = None;
        }
    }
    out
}

/// Passages of words with about [`CHUNK`] letters; a rest that is too short to be recognised goes with the one before.
fn passages(prose: &str) -> Vec<String> {
    let mut passages: Vec<String> = Vec::new();
    let mut open = true;
    for word in prose.split_whitespace() {
        match passages.last_mut().filter(|_| !open) {
            Some(last) => {
                last.push(' ');
                last.push_str(word);
            }
            None => passages.push(word.to_owned()),
        }
        open = passages.last().is_some_and(|last| last.len() >= CHUNK);
    }
    if let [.., last] = &passages[..]
        && passages.len() > 1
        && last.len() < CHUNK / 4
        && let (Some(rest), Some(before)) = (passages.pop(), passages.last_mut())
    {
        before.push(' ');
        before.push_str(&rest);
    }
    passages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::testing::{answer, prompt};

    fn score(language: &str, text: &str) -> f64 {
        let reward = BUILTIN.build(&Map::from_iter([("language".to_owned(), json!(language))])).unwrap();
        reward.score(&prompt(Value::Null), &answer(text)).unwrap().score().unwrap().total
    }

    #[test]
    fn the_card_lists_the_knobs() {
        super::super::assert_card_matches::<Knobs>(&CARD);
    }

    #[test]
    fn an_answer_that_changes_its_language_gets_a_part() {
        let english =
            "We first compute how many apples are left, and then we divide them among the children who came to the party. ".repeat(4);
        let chinese = "首先我们计算还剩下多少个苹果，然后把它们分给来参加聚会的孩子们。".repeat(12);
        assert_eq!((score("eng", &english), score("cmn", &chinese)), (1.0, 1.0));
        let mixed = score("eng", &format!("{english}\n{chinese}"));
        assert!((0.2..0.8).contains(&mixed), "{mixed}");
    }

    #[test]
    fn formulas_and_code_are_no_language() {
        let text = "Therefore the result of this calculation is $\\frac{xyz}{abc}$ and `for wort in liste` ends here.";
        assert_eq!(
            prose(text).split_whitespace().collect::<Vec<_>>().join(" "),
            "Therefore the result of this calculation is and ends here."
        );
        assert_eq!(score("eng", text), 1.0);
    }

    #[test]
    fn a_language_that_is_not_known_is_refused_with_the_list() {
        let error = BUILTIN.build(&Map::from_iter([("language".to_owned(), json!("english"))])).err().unwrap();
        assert!(error[0].to_string().contains("eng"), "{error:?}");
    }
}
