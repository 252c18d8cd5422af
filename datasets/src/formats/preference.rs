//! TRL's preference shape: `chosen` and `rejected`, with the prompt beside them (explicit) or as their common beginning (implicit), plain
//! or as conversations.

use collimate_types::{Message, PreferencePair, Reply, Speaker};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::{answer, answered, prompt};
use crate::dialogue::is_dialogue;
use crate::fields::{bad, has, list, optional_number, optional_text, own_id, text};
use crate::{DataConfig, Fault, FieldCard, Format, FormatCard, Reading, Row};

/// It has no knobs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct Preference;

/// The one instance.
pub static FORMAT: Preference = Preference;

static CARD: FormatCard = FormatCard {
    name: "preference",
    claim: "TRL's preference shape, plain or as conversations; without `prompt` what both sides begin with is the prompt.",
    fields: &[
        FieldCard { name: "prompt", kind: "string or messages, optional", help: "What was answered." },
        FieldCard { name: "chosen", kind: "string or messages", help: "The preferred answer, or with it the whole conversation." },
        FieldCard { name: "rejected", kind: "string or messages", help: "The other one, in the same form." },
        FieldCard {
            name: "label",
            kind: "number from 0.5 to 1, optional",
            help: "The probability that `chosen` is preferred; 0.5 is a tie.",
        },
        FieldCard { name: "margin", kind: "number, optional", help: "By how much it is preferred." },
        FieldCard { name: "subset", kind: "string, optional", help: "The part of the data it belongs to." },
        FieldCard { name: "id", kind: "string or whole number, optional", help: "Names the row." },
    ],
    knobs: &[],
    sample: r#"{"prompt": [{"role": "user", "content": "What colour is the sky?"}], "chosen": [{"role": "assistant", "content": "Blue."}], "rejected": [{"role": "assistant", "content": "Green."}]}"#,
};

impl Format for Preference {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        let dialogues = || ["chosen", "rejected"].iter().all(|s| row.get(*s).and_then(Value::as_str).is_some_and(is_dialogue));
        let scored = || row["chosen"].is_array() && has(row, "score_chosen") && has(row, "score_rejected");
        has(row, "chosen") && has(row, "rejected") && !dialogues() && !scored()
    }

    fn read(&self, row: &Row, _config: &DataConfig) -> Result<Reading, Fault> {
        let row = &row.json;
        let explicit = has(row, "prompt");
        let (text, messages, chosen, rejected) = match (explicit, row.get("chosen").is_some_and(Value::is_array)) {
            (true, _) => {
                let (text, messages) = prompt(row, "prompt")?;
                let sides = (side(row, "chosen", text.is_some())?, side(row, "rejected", text.is_some())?);
                (text, messages, sides.0, sides.1)
            }
            (false, true) => {
                let (chosen, rejected) = (answered("chosen", list(row, "chosen")?)?, answered("rejected", list(row, "rejected")?)?);
                let (messages, chosen, rejected) = common(chosen, rejected)?;
                (None, messages, chosen, rejected)
            }
            (false, false) => {
                let (text, chosen, rejected) = common_text(self::text(row, "chosen")?, self::text(row, "rejected")?);
                (Some(text), Vec::new(), chosen, rejected)
            }
        };
        let label = optional_number(row, "label")?.unwrap_or(1.0);
        if !(0.5..=1.0).contains(&label) {
            return Err(bad("label", format!("is {label}"), "give a probability from 0.5 (a tie) to 1; swap the sides where it is less"));
        }
        let margin = optional_number(row, "margin")?;
        let subset = optional_text(row, "subset")?.unwrap_or_default().to_owned();
        let same = chosen == rejected;
        let pair = PreferencePair { id: own_id(row, "id")?, text, messages, chosen, rejected, label, margin, subset };
        Ok(Reading::from(pair).noting(same, "both sides are the same"))
    }
}

/// A side in the form of its prompt.
fn side(row: &Map<String, Value>, field: &str, plain: bool) -> Result<Reply, Fault> {
    let reply = answer(row, field)?;
    if matches!(reply, Reply::Text(_)) == plain {
        return Ok(reply);
    }
    Err(bad(field, "has not the form of `prompt`", "give both as texts, or both as messages"))
}

/// Two conversations as their common beginning and two replies.
pub(super) fn common(chosen: Vec<Message>, rejected: Vec<Message>) -> Result<(Vec<Message>, Reply, Reply), Fault> {
    let shared = chosen.iter().zip(&rejected).take_while(|(a, b)| a == b).count();
    let most = shared.min(chosen.len().saturating_sub(1)).min(rejected.len().saturating_sub(1));
    let cut = (1..=most).rev().find(|k| [&chosen, &rejected].iter().all(|side| side[*k].role == Speaker::Assistant));
    let Some(cut) = cut else {
        return Err(bad("rejected", "shares no request with `chosen`", "give `prompt`, or conversations that begin with the same request"));
    };
    let (mut chosen, mut rejected) = (chosen, rejected);
    let rest = chosen.split_off(cut);
    Ok((chosen, Reply::Turns(rest), Reply::Turns(rejected.split_off(cut))))
}

/// Two texts as their common beginning, cut back to the end of a word, and two replies.
fn common_text(chosen: &str, rejected: &str) -> (String, Reply, Reply) {
    let shared: usize = chosen.chars().zip(rejected.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    let shared = if shared == chosen.len().min(rejected.len()) { shared.saturating_sub(1) } else { shared };
    // A reply keeps the blank before its first word.
    let cut = chosen.char_indices().take_while(|(at, _)| *at <= shared).filter(|(_, c)| c.is_whitespace()).last().map_or(0, |(at, _)| at);
    let reply = |text: &str| Reply::Text(text[cut..].to_owned());
    (chosen[..cut].to_owned(), reply(chosen), reply(rejected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Example;
    use serde_json::json;

    fn read(json: Value) -> Result<PreferencePair, Fault> {
        let Value::Object(json) = json else { panic!("not an object") };
        let row = Row { json, file: std::path::Path::new("x").into(), line: 1 };
        match Preference.read(&row, &DataConfig::default())?.example {
            Some(Example::Pair(pair)) => Ok(pair),
            other => panic!("{other:?}"),
        }
    }

    fn said(role: &str, content: &str) -> Value {
        json!({"role": role, "content": content})
    }

    #[test]
    fn explicit_and_implicit_prompts_are_the_same() {
        let explicit = read(serde_json::from_str(CARD.sample).unwrap()).unwrap();
        let (user, good, poor) = (said("user", "What colour is the sky?"), said("assistant", "Blue."), said("assistant", "Green."));
        let implicit = read(json!({"chosen": [user, good], "rejected": [user, poor]})).unwrap();
        assert_eq!(implicit, explicit);
        let plain = read(json!({"prompt": "The sky is", "chosen": " blue.", "rejected": " green."})).unwrap();
        assert_eq!(read(json!({"chosen": "The sky is blue.", "rejected": "The sky is green."})).unwrap(), plain);
        assert_eq!((plain.text.as_deref(), plain.chosen), (Some("The sky is"), Reply::Text(" blue.".into())));
    }

    #[test]
    fn texts_without_a_common_word_and_texts_that_begin_each_other_have_replies() {
        let of = |a: &str, b: &str| {
            let (prompt, chosen, rejected) = common_text(a, b);
            (prompt, chosen.said(), rejected.said())
        };
        let own = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(of("ab", "cd"), own("", "ab", "cd"));
        assert_eq!(of("a b", "a b c"), own("a", " b", " b c"));
        assert_eq!(of("é ü", "é ö"), own("é", " ü", " ö"));
    }

    #[test]
    fn labels_margins_and_subsets_are_taken_and_wrong_shapes_refused() {
        let base = json!({"prompt": "a", "chosen": "b", "rejected": "c", "label": 0.5, "margin": 2, "subset": "s", "id": 4});
        let pair = read(base.clone()).unwrap();
        assert_eq!((pair.label, pair.margin, pair.subset.as_str(), pair.id.as_str()), (0.5, Some(2.0), "s", "4"));
        let shown = |key: &str, value: Value| {
            let mut row = base.clone();
            row[key] = value;
            read(row).unwrap_err().to_string()
        };
        assert_eq!(shown("label", json!(0.2)), "`label` is 0.2");
        assert_eq!(shown("chosen", json!(" ")), "`chosen` is empty");
        assert!(shown("chosen", json!([said("assistant", "x")])).contains("not the form of `prompt`"));
        assert!(read(json!({"chosen": [said("assistant", "x")], "rejected": [said("assistant", "y")]})).is_err());
    }
}
