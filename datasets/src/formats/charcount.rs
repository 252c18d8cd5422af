//! Counting a letter in a word that is spelt out: a task that a small model learns within minutes, made by a seeded generator or read from
//! rows of words and letters.
//!
//! Which questions are held out is decided by a hash of the question itself, so the parts are disjoint for every seed.

use collimate_types::{Message, Seed, Task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::made::{self, Maker};
use crate::fields::{bad, text};
use crate::{DataConfig, DataError, Example, Fault, FieldCard, Format, FormatCard, Generated, KnobCard, Reading, Row};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// The fewest letters of a word.
    pub min_letters: usize,
    /// The most letters of a word.
    pub max_letters: usize,
    /// How much of a word is the letter that is counted, more than 0 and less than 1.
    pub letter_share: f64,
    /// The question: `{letter}` and `{word}` (spelt as `a-b-c`) are filled in.
    pub ask: String,
    /// The most questions to train on.
    pub rows: usize,
    /// The share of all questions that belongs to the held-out part, more than 0 and at most 0.5.
    pub heldout_share: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            min_letters: 5,
            max_letters: 20,
            letter_share: 0.25,
            ask: "How many {letter} are there in the word {word}? Go through it letter by letter, a line each, then put the number in \\boxed{}."
                .into(),
            rows: 10_000,
            heldout_share: 0.1,
        }
    }
}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct CharCount;

/// The one instance.
pub static FORMAT: CharCount = CharCount;

static CARD: FormatCard = FormatCard {
    name: "charcount",
    claim: "How often a letter stands in a word that is spelt out; made up, or read from rows, with a worked answer that ends in \\boxed{}.",
    fields: &[
        FieldCard { name: "word", kind: "string", help: "The word, of letters alone." },
        FieldCard { name: "letter", kind: "string", help: "The letter that is counted." },
    ],
    knobs: &[
        KnobCard { name: "min_letters", help: "The fewest letters of a word.", default: "5" },
        KnobCard { name: "max_letters", help: "The most letters of a word.", default: "20" },
        KnobCard { name: "letter_share", help: "How much of a word is the letter that is counted.", default: "0.25" },
        KnobCard {
            name: "ask",
            help: "The question, with {letter} and {word}.",
            default: r#""How many {letter} are there in the word {word}? Go through it letter by letter, a line each, then put the number in \\boxed{}.""#,
        },
        KnobCard { name: "rows", help: "The most questions to train on.", default: "10000" },
        KnobCard { name: "heldout_share", help: "The share of all questions that belongs to the held-out part.", default: "0.1" },
    ],
    sample: r#"{"word": "tatra", "letter": "t"}"#,
};

impl Format for CharCount {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        row.len() == 2 && row.contains_key("word") && row.contains_key("letter")
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault> {
        let (word, letter) = (text(&row.json, "word")?, text(&row.json, "letter")?);
        if !word.chars().all(char::is_alphabetic) {
            return Err(bad("word", "is not of letters alone", "give one word"));
        }
        let mut chars = letter.chars();
        let (Some(wanted), None) = (chars.next(), chars.next()) else { return Err(bad("letter", "is not one letter", "give one letter")) };
        let spelt = word.chars().map(String::from).collect::<Vec<_>>().join("-");
        let asked = config.charcount.ask.replace("{letter}", letter).replace("{word}", &spelt);
        let (mut count, mut worked) = (0, String::new());
        for c in word.chars() {
            count += usize::from(c == wanted);
            worked.push_str(&format!("{c}: {count}\n"));
        }
        worked.push_str(&format!("\\boxed{{{count}}}"));
        let truth = json!({ "answer": count.to_string(), "word": word, "letter": letter });
        let task = Task { id: String::new(), text: None, messages: vec![Message::user(asked)], truth, reward: None };
        Ok(Example::Task { task, worked: Some(worked) }.into())
    }

    fn check(&self, config: &DataConfig) -> Vec<DataError> {
        let knobs = &config.charcount;
        let wanted = made::Wanted("charcount");
        [
            wanted.that(knobs.min_letters >= 1, "min_letters", knobs.min_letters, "at least 1"),
            wanted.that(
                (knobs.min_letters..=1000).contains(&knobs.max_letters),
                "max_letters",
                knobs.max_letters,
                "at least min_letters and at most 1000",
            ),
            wanted.that(
                knobs.letter_share > 0.0 && knobs.letter_share < 1.0,
                "letter_share",
                knobs.letter_share,
                "more than 0 and less than 1",
            ),
            wanted.that(
                knobs.ask.contains("{letter}") && knobs.ask.contains("{word}"),
                "ask",
                &knobs.ask,
                "a text with {letter} and {word}",
            ),
            wanted.that(knobs.rows > 0, "rows", knobs.rows, "at least 1"),
            wanted.share(knobs.heldout_share),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn generates(&self) -> bool {
        true
    }

    fn reads(&self) -> bool {
        true
    }

    fn generate(&self, config: &DataConfig, seed: Seed) -> Option<Result<Generated, DataError>> {
        let knobs = &config.charcount;
        let maker = Maker { name: "charcount", rows: knobs.rows, heldout_rows: config.heldout_rows, heldout_share: knobs.heldout_share };
        Some(maker.make(seed, |seed| Some(question(knobs, seed))))
    }
}

/// The question of an address.
fn question(knobs: &Knobs, seed: Seed) -> Map<String, Value> {
    let letter = |n: u64| char::from(b'a' + (seed.uniform(n) * 26.0) as u8);
    let length = knobs.min_letters + (seed.uniform(0) * (knobs.max_letters - knobs.min_letters + 1) as f64) as usize;
    let counted = letter(1);
    let one = |i: u64| if seed.uniform(2 * i + 2) < knobs.letter_share { counted } else { letter(2 * i + 3) };
    let word: String = (0..length as u64).map(one).collect();
    Map::from_iter([("word".to_owned(), word.into()), ("letter".to_owned(), counted.to_string().into())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Item;

    #[test]
    fn the_sample_maps_as_it_always_did() {
        let row = Row { json: serde_json::from_str(CARD.sample).unwrap(), file: std::path::Path::new("x").into(), line: 1 };
        let Some(Example::Task { task, worked }) = CharCount.read(&row, &DataConfig::default()).unwrap().example else { panic!("no task") };
        assert!(task.messages[0].content.starts_with("How many t are there in the word t-a-t-r-a?"));
        assert_eq!(task.truth["answer"], "2");
        assert_eq!(worked.unwrap(), "t: 1\na: 1\nt: 2\nr: 2\na: 2\n\\boxed{2}");
    }

    #[test]
    fn made_words_keep_to_the_knobs_and_parts_are_disjoint() {
        let config = DataConfig { heldout_rows: 50, charcount: Knobs { rows: 500, ..Knobs::default() }, ..DataConfig::default() };
        let made = CharCount.generate(&config, Seed(3)).unwrap().unwrap();
        assert_eq!((made.train.len(), made.heldout.len()), (500, 50));
        assert!(made.train.iter().all(|r| (5..=20).contains(&r.json["word"].as_str().unwrap().len())));
        let ids = |rows: &[Row]| {
            rows.iter()
                .map(|r| Task::of(CharCount.read(r, &config).unwrap().named().example.unwrap()).unwrap().id)
                .collect::<std::collections::HashSet<_>>()
        };
        assert!(ids(&made.train).is_disjoint(&ids(&made.heldout)));
        let counts: Vec<usize> =
            made.train.iter().map(|r| r.json["word"].as_str().unwrap().matches(r.json["letter"].as_str().unwrap()).count()).collect();
        assert!(counts.contains(&0) && counts.iter().any(|c| *c >= 5), "the answers differ");
        assert_eq!(CharCount.generate(&config, Seed(9)).unwrap().unwrap().heldout, made.heldout, "the same for every seed");
    }
}
