//! WebGPT comparisons (Nakano et al. 2021, arXiv:2112.09332): two answers to a question, each with a score from -1 to 1; the scores sum to
//! 0, and 0 is a tie. As in the paper a tie is a soft label of one half.

use collimate_types::{Message, PreferencePair, Reply};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fields::{bad, empty, missing, number, object, text, wrong};
use crate::{DataConfig, DataError, Fault, FieldCard, Format, FormatCard, KnobCard, Reading, Row};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// Whether citations such as `[1]` and `[2, 3]` are taken out of the answers.
    pub strip_citations: bool,
    /// What becomes of ties: `soft` (a label of one half) or `skip`.
    pub ties: String,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { strip_citations: true, ties: "soft".into() }
    }
}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct WebGpt;

/// The one instance.
pub static FORMAT: WebGpt = WebGpt;

static CARD: FormatCard = FormatCard {
    name: "webgpt",
    claim: "WebGPT comparisons: the answer with the higher score is preferred, equal scores are a tie with the label one half. The margin is the difference of the scores.",
    fields: &[
        FieldCard { name: "question", kind: "{full_text, …} or string", help: "The question; it becomes one message of the user." },
        FieldCard { name: "answer_0", kind: "string", help: "The first answer." },
        FieldCard { name: "answer_1", kind: "string", help: "The second answer." },
        FieldCard { name: "score_0", kind: "number", help: "The first answer's score, from -1 to 1." },
        FieldCard { name: "score_1", kind: "number", help: "The second answer's score; both sum to 0." },
        FieldCard { name: "quotes_0", kind: "anything, optional", help: "Not read, and so are `quotes_1`, `tokens_0`, `tokens_1`." },
    ],
    knobs: &[
        KnobCard {
            name: "strip_citations",
            help: "Whether citations such as [1] and [2, 3] are taken out of the answers.",
            default: "true",
        },
        KnobCard { name: "ties", help: "What becomes of ties: soft (a label of one half) or skip.", default: "\"soft\"" },
    ],
    sample: r#"{"question": {"dataset": "eli5", "id": "q1", "full_text": "Why is the sky blue?"}, "quotes_0": {"title": ["Light"], "extract": ["Short waves scatter more."]}, "answer_0": "Blue light scatters most [1].", "tokens_0": {"prefix": [1], "completion": [2]}, "score_0": 0.5, "quotes_1": {"title": [], "extract": []}, "answer_1": "It mirrors the sea.", "tokens_1": {"prefix": [1], "completion": [3]}, "score_1": -0.5}"#,
};

const TIE: &str = "a tie";
const TIE_SKIPPED: &str = "a tie, left out by data.webgpt.ties";

impl Format for WebGpt {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        ["question", "answer_0", "answer_1"].iter().all(|column| row.contains_key(*column))
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault> {
        let (row, knobs) = (&row.json, &config.webgpt);
        let asked = question(row)?;
        let (a, b) = (answer(row, "answer_0", knobs)?, answer(row, "answer_1", knobs)?);
        let (score_a, score_b) = (score(row, "score_0")?, score(row, "score_1")?);
        if (score_a + score_b).abs() > 1e-6 {
            let why = format!("is {score_b}, but `score_0` is {score_a}");
            return Err(bad("score_1", why, "the two scores sum to 0"));
        }
        let tie = score_a == score_b;
        if tie && knobs.ties == "skip" {
            return Ok(Reading::left_out(TIE_SKIPPED));
        }
        let (chosen, rejected) = if score_a >= score_b { (a, b) } else { (b, a) };
        let pair = PreferencePair {
            id: String::new(),
            text: None,
            messages: vec![Message::user(asked)],
            chosen: Reply::turn(chosen),
            rejected: Reply::turn(rejected),
            label: if tie { 0.5 } else { 1.0 },
            margin: Some((score_a - score_b).abs()),
            subset: row["question"].get("dataset").and_then(Value::as_str).unwrap_or_default().to_owned(),
        };
        let reading = Reading::from(pair).noting(tie, TIE);
        Ok(if tie { reading } else { reading.preferring(score_a > score_b) })
    }

    fn check(&self, config: &DataConfig) -> Vec<DataError> {
        let ties = &config.webgpt.ties;
        let wanted = "\"soft\" or \"skip\"".into();
        let good = ["soft", "skip"].contains(&ties.as_str());
        if good { Vec::new() } else { vec![DataError::Setting { key: "webgpt.ties".into(), value: format!("{ties:?}"), wanted }] }
    }
}

fn question(row: &Map<String, Value>) -> Result<&str, Fault> {
    match row.get("question") {
        Some(Value::String(_)) => text(row, "question"),
        None => Err(missing(row, "question")),
        Some(_) => match object(row, "question")?.get("full_text") {
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(text),
            Some(Value::String(_)) => Err(empty("question.full_text")),
            Some(other) => Err(wrong("question.full_text", "a string", other)),
            None => Err(bad("question.full_text", "is missing", "a question is an object with `full_text`")),
        },
    }
}

fn answer(row: &Map<String, Value>, field: &str, knobs: &Knobs) -> Result<String, Fault> {
    let said = text(row, field)?;
    let said = if knobs.strip_citations { without_citations(said) } else { said.to_owned() };
    if said.trim().is_empty() {
        Err(bad(field, "has nothing but citations", "remove the row, or set data.webgpt.strip_citations = false"))
    } else {
        Ok(said)
    }
}

fn score(row: &Map<String, Value>, field: &str) -> Result<f64, Fault> {
    let score = number(row, field)?;
    if (-1.0..=1.0).contains(&score) { Ok(score) } else { Err(bad(field, format!("is {score}"), "give a score from -1 to 1")) }
}

/// A text without `[1]`, `[2, 3]` and the blank before each.
fn without_citations(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let behind = &rest[open + 1..];
        let citation = behind.find(']').filter(|close| {
            let inside = &behind[..*close];
            inside.contains(|c: char| c.is_ascii_digit()) && inside.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | ' '))
        });
        match citation {
            Some(close) => {
                out.push_str(rest[..open].trim_end_matches(' '));
                rest = &behind[close + 1..];
            }
            None => {
                out.push_str(&rest[..=open]);
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Example;
    use serde_json::json;

    fn read(changes: Value, knobs: Knobs) -> Result<Reading, Fault> {
        let mut json: Map<String, Value> = serde_json::from_str(CARD.sample).unwrap();
        let Value::Object(changes) = changes else { panic!("not an object") };
        json.extend(changes);
        let config = DataConfig { webgpt: knobs, ..DataConfig::default() };
        WebGpt.read(&Row { json, file: std::path::Path::new("x").into(), line: 1 }, &config)
    }

    fn pair(changes: Value, knobs: Knobs) -> PreferencePair {
        match read(changes, knobs).unwrap().example {
            Some(Example::Pair(pair)) => pair,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_higher_score_is_preferred_and_a_tie_is_one_half() {
        let sample = pair(json!({}), Knobs::default());
        assert_eq!((sample.chosen.said().as_str(), sample.label, sample.margin), ("Blue light scatters most.", 1.0, Some(1.0)));
        assert_eq!((sample.subset.as_str(), &sample.messages[0].content), ("eli5", &"Why is the sky blue?".to_owned()));
        let other = pair(json!({"score_0": -0.25, "score_1": 0.25}), Knobs::default());
        assert_eq!((other.chosen.said().as_str(), other.margin), ("It mirrors the sea.", Some(0.5)));
        let tie = read(json!({"score_0": 0.0, "score_1": 0.0}), Knobs::default()).unwrap();
        assert_eq!(tie.note, Some(TIE));
        assert_eq!(pair(json!({"score_0": 0.0, "score_1": 0.0}), Knobs::default()).label, 0.5);
        let skip = Knobs { ties: "skip".into(), ..Knobs::default() };
        assert_eq!(read(json!({"score_0": 0.0, "score_1": 0.0}), skip).unwrap(), Reading::left_out(TIE_SKIPPED));
    }

    #[test]
    fn citations_go_and_other_brackets_stay() {
        assert_eq!(without_citations("a [1] b [2, 3]. [x] [4] [] [5"), "a b. [x] [] [5");
        let keep = Knobs { strip_citations: false, ..Knobs::default() };
        assert_eq!(pair(json!({}), keep).chosen.said(), "Blue light scatters most [1].");
    }

    #[test]
    fn wrong_scores_and_questions_are_refused_by_name() {
        let shown = |changes| read(changes, Knobs::default()).unwrap_err().to_string();
        assert_eq!(shown(json!({"score_1": 0.5})), "`score_1` is 0.5, but `score_0` is 0.5");
        assert_eq!(shown(json!({"score_0": 3})), "`score_0` is 3");
        assert_eq!(shown(json!({"question": {"text": "x"}})), "`question.full_text` is missing");
        assert!(shown(json!({"answer_0": "[1] [2]"})).contains("nothing but citations"));
    }
}
