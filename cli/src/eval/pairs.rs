//! Preference pairs from a file: whole dialogues as in HH-RLHF, or TRL's `prompt`, `chosen`, `rejected`.

use std::path::Path;

use collimate_types::{Message, PreferencePair, Reply, Speaker};
use serde_json::{Map, Value};

use super::lines;
use crate::exit::{Exit, refused};

/// How turns are marked in HH-RLHF.
const MARKS: [(&str, Speaker); 2] = [("\n\nHuman:", Speaker::User), ("\n\nAssistant:", Speaker::Assistant)];

/// Pairs with the format that read them.
#[derive(Debug)]
pub(super) struct Pairs {
    pub(super) pairs: Vec<PreferencePair>,
    pub(super) format: &'static str,
}

type Reader = fn(&Map<String, Value>) -> Result<PreferencePair, String>;

/// Reads pairs; `auto` lets the first row decide.
pub(super) fn load(path: &Path, format: &str, rows: Option<usize>) -> Result<Pairs, Exit> {
    let mut chosen: Option<(&'static str, Reader)> = match format {
        "auto" => None,
        "hh-rlhf" => Some(("hh-rlhf", dialogues)),
        "preference" => Some(("preference", preference)),
        other => return Err(refused(format!("there is no format `{other}` of pairs; take one of auto, hh-rlhf, preference"))),
    };
    let mut pairs = Vec::new();
    lines::objects(path, rows, |row| {
        let (_, read) = match chosen {
            Some(known) => known,
            None => *chosen.insert(if row.contains_key("prompt") { ("preference", preference) } else { ("hh-rlhf", dialogues) }),
        };
        pairs.push(read(&row)?);
        Ok(())
    })?;
    Ok(Pairs { pairs, format: chosen.map_or("auto", |c| c.0) })
}

fn text<'a>(row: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    let columns = || row.keys().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
    row.get(name).and_then(Value::as_str).ok_or_else(|| format!("a pair needs a text `{name}`; the row has {}", columns()))
}

fn pair(text: Option<String>, messages: Vec<Message>, chosen: Reply, rejected: Reply) -> PreferencePair {
    PreferencePair { id: String::new(), text, messages, chosen, rejected, label: 1.0, margin: None, subset: String::new() }
}

/// The prompt is what both dialogues share, up to the last answer that both reach.
fn dialogues(row: &Map<String, Value>) -> Result<PreferencePair, String> {
    let (chosen, rejected) = (turns(text(row, "chosen")?)?, turns(text(row, "rejected")?)?);
    let common = chosen.iter().zip(&rejected).take_while(|(a, b)| a == b).count();
    // Both must go on with an answer: back to the last place where both do.
    let answers = |turns: &[Message], at: usize| turns.get(at).is_some_and(|m| m.role == Speaker::Assistant);
    let cut = (1..=common).rev().find(|at| answers(&chosen, *at) && answers(&rejected, *at));
    let cut = cut.ok_or("`chosen` and `rejected` share no request that both answer")?;
    let messages = chosen[..cut].to_vec();
    Ok(pair(None, messages, Reply::Turns(chosen[cut..].to_vec()), Reply::Turns(rejected[cut..].to_vec())))
}

fn turns(text: &str) -> Result<Vec<Message>, String> {
    let mut marks: Vec<(usize, usize, Speaker)> =
        MARKS.iter().flat_map(|(mark, role)| text.match_indices(mark).map(|(at, m)| (at, at + m.len(), *role))).collect();
    marks.sort_unstable_by_key(|m| m.0);
    if marks.first().is_none_or(|m| m.0 != 0) {
        return Err("a dialogue begins with a blank line and `Human:` or `Assistant:`".into());
    }
    let ends = marks.iter().skip(1).map(|m| m.0).chain([text.len()]);
    Ok(marks
        .iter()
        .zip(ends)
        .map(|((_, start, role), end)| Message { role: *role, content: text[*start..end].trim().to_owned() })
        .collect())
}

/// TRL's explicit prompt: texts, or lists of messages.
fn preference(row: &Map<String, Value>) -> Result<PreferencePair, String> {
    let messages = |name: &str| -> Result<Vec<Message>, String> {
        serde_json::from_value(row.get(name).cloned().unwrap_or_default()).map_err(|e| format!("`{name}` is no list of messages: {e}"))
    };
    let mut read = match row.get("prompt") {
        Some(Value::String(prompt)) => {
            let reply = |name| text(row, name).map(|t| Reply::Text(t.to_owned()));
            pair(Some(prompt.clone()), Vec::new(), reply("chosen")?, reply("rejected")?)
        }
        _ => pair(None, messages("prompt")?, Reply::Turns(messages("chosen")?), Reply::Turns(messages("rejected")?)),
    };
    if let Some(subset) = row.get("subset").and_then(Value::as_str) {
        read.subset = subset.to_owned();
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_dialogue_is_cut_where_the_answers_part() {
        let (a, b) = (
            "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant: Because.",
            "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant: No.",
        );
        let read = dialogues(&row(json!({"chosen": a, "rejected": b}))).unwrap();
        assert_eq!(read.messages.len(), 3);
        assert_eq!((read.chosen, read.rejected), (Reply::turn("Because."), Reply::turn("No.")));
    }

    #[test]
    fn sides_that_part_before_the_last_answer_keep_their_own_turns() {
        let read = dialogues(&row(json!({
            "chosen": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant: Because.", "rejected": "\n\nHuman: Hi\n\nAssistant: No.",
        })))
        .unwrap();
        assert_eq!(read.messages, [Message::user("Hi")]);
        assert_eq!(read.chosen.said(), "Hello\nBecause.");
        assert!(dialogues(&row(json!({"chosen": "Hi", "rejected": "Hi"}))).is_err());
        let said = dialogues(&row(json!({"chosen": "\n\nHuman: a", "reject": "x"}))).unwrap_err();
        assert!(said.contains("`rejected`") && said.contains("`reject`"), "{said}");
    }

    #[test]
    fn texts_and_messages_are_read_in_trls_shape() {
        let read = preference(&row(json!({"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}))).unwrap();
        assert_eq!((read.text.as_deref(), read.chosen.said().as_str()), (Some("2 + 2 ="), " 4"));
        let message = |role: &str, content: &str| json!([{"role": role, "content": content}]);
        let read = preference(&row(
            json!({"prompt": message("user", "q"), "chosen": message("assistant", "a"), "rejected": message("assistant", "b"), "subset": "s"}),
        ));
        let read = read.unwrap();
        assert_eq!((read.messages.len(), read.rejected.said().as_str(), read.subset.as_str()), (1, "b", "s"));
    }
}
