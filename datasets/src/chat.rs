//! Prompts, answers and conversations in a row, as the published shapes have them.

use collimate_types::{Message, Reply, Speaker};
use serde_json::{Map, Value};

use crate::Fault;
use crate::fields::{bad, empty, want, wrong};

/// A prompt: text, or a conversation.
pub(crate) type Asked = (Option<String>, Vec<Message>);

/// A column that is a text or a conversation.
pub(crate) fn prompt(row: &Map<String, Value>, field: &str) -> Result<Asked, Fault> {
    match want(row, field)? {
        Value::String(text) if text.trim().is_empty() => Err(empty(field)),
        Value::String(text) => Ok((Some(text.clone()), Vec::new())),
        Value::Array(list) => Ok((None, to_answer(field, list)?)),
        other => Err(wrong(field, "a string or a list of messages", other)),
    }
}

/// A conversation that waits for an answer.
pub(crate) fn to_answer(field: &str, list: &[Value]) -> Result<Vec<Message>, Fault> {
    let messages = conversation(field, list)?;
    match messages.last() {
        Some(last) if last.role == Speaker::Assistant => Err(bad(
            format!("{field}[{}].role", list.len() - 1),
            "is assistant, but the last message is the one to be answered",
            "move the answer to a column of its own, or set `data.format`",
        )),
        _ => Ok(messages),
    }
}

/// An answer: a text, or turns of which the last is the assistant's.
pub(crate) fn answer(row: &Map<String, Value>, field: &str) -> Result<Reply, Fault> {
    match want(row, field)? {
        Value::String(text) if text.trim().is_empty() => Err(empty(field)),
        Value::String(text) => Ok(Reply::Text(text.clone())),
        Value::Array(list) => answered(field, list).map(Reply::Turns),
        other => Err(wrong(field, "a string or a list of messages", other)),
    }
}

/// A conversation that ends in an answer.
pub(crate) fn answered(field: &str, list: &[Value]) -> Result<Vec<Message>, Fault> {
    let messages = conversation(field, list)?;
    let at = || format!("{field}[{}]", list.len() - 1);
    match messages.last() {
        Some(last) if last.role != Speaker::Assistant => {
            Err(bad(format!("{}.role", at()), "is not assistant", "end it with the assistant's answer"))
        }
        Some(last) if last.content.trim().is_empty() => Err(empty(format!("{}.content", at()))),
        _ => Ok(messages),
    }
}

/// Whether a value is a conversation whose last turn is the assistant's.
pub(crate) fn ends_answered(value: Option<&Value>) -> bool {
    let last = value.and_then(Value::as_array).and_then(|list| list.last());
    last.and_then(|m| m.get("role")).and_then(Value::as_str) == Some("assistant")
}

/// A list of messages, not empty.
pub(crate) fn conversation(field: &str, list: &[Value]) -> Result<Vec<Message>, Fault> {
    let messages = list.iter().enumerate().map(|(i, value)| message(&format!("{field}[{i}]"), value));
    let messages = messages.collect::<Result<Vec<_>, _>>()?;
    if messages.is_empty() { Err(empty(field)) } else { Ok(messages) }
}

fn message(place: &str, value: &Value) -> Result<Message, Fault> {
    let Value::Object(map) = value else { return Err(wrong(place, "an object with role and content", value)) };
    // A table gives every message all keys of all messages; what is null is not there.
    if let Some((key, _)) = map.iter().find(|(k, v)| !["role", "content"].contains(&k.as_str()) && !v.is_null()) {
        return Err(bad(format!("{place}.{key}"), "is not part of a message", "a message has role and content; remove the rest"));
    }
    let at = |key: &str| format!("{place}.{key}");
    let field = |key: &str| match map.get(key) {
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(other) => Err(wrong(at(key), "a string", other)),
        None => Err(bad(at(key), "is missing", "give every message role and content")),
    };
    let role = match field("role")? {
        "system" => Speaker::System,
        "user" => Speaker::User,
        "assistant" => Speaker::Assistant,
        "tool" => Speaker::Tool,
        other => return Err(bad(at("role"), format!("is `{other}`"), "roles are system, user, assistant, tool")),
    };
    Ok(Message { role, content: field("content")?.to_owned() })
}
