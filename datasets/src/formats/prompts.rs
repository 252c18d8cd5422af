//! Prompts with whatever a reward needs beside them: the field's prompt-only form, plain or as a conversation.

use collimate_types::{Message, Speaker, Task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fields::{empty, missing, optional_text, want, wrong};
use crate::{DataConfig, Fault, FieldCard, Format, FormatCard, KnobCard, Row, digest};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// Whether a `prompt` that is a string is asked as a message of the user; otherwise it is plain text to be continued.
    pub chat: bool,
}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct Prompts;

/// The one instance.
pub static FORMAT: Prompts = Prompts;

static CARD: FormatCard = FormatCard {
    name: "prompts",
    claim: "Prompts or conversations; all further columns are kept as the truth that a reward compares with.",
    fields: &[
        FieldCard { name: "prompt", kind: "string or messages", help: "Text to be continued, or the messages themselves." },
        FieldCard {
            name: "messages",
            kind: "list of {role, content}",
            help: "In place of `prompt`: the conversation to be answered. Roles are system, user, assistant, tool; the last is not assistant.",
        },
        FieldCard { name: "id", kind: "string or whole number, optional", help: "Names the row; without one, a hash of its content does." },
        FieldCard { name: "reward", kind: "string, optional", help: "The reward of the recipe that judges this row; without one, all do." },
        FieldCard { name: "…", kind: "anything, optional", help: "Every further column; together they are the truth." },
    ],
    knobs: &[KnobCard { name: "chat", help: "Whether a `prompt` that is a string is asked as a message of the user.", default: "false" }],
    sample: r#"{"prompt": "The opposite of tall is", "answer": "short", "level": 1}"#,
};

impl Format for Prompts {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        row.contains_key("prompt") || row.contains_key("messages")
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Task, Fault> {
        let row = &row.json;
        let (text, messages) = asked(row, config.prompts.chat)?;
        let reward = optional_text(row, "reward")?.map(str::to_owned);
        let further = row.iter().filter(|(k, _)| !["prompt", "messages", "id", "reward"].contains(&k.as_str()));
        let truth = Value::Object(further.map(|(k, v)| (k.clone(), v.clone())).collect());
        let mut task = Task { id: String::new(), text, messages, truth, reward };
        task.id = match own_id(row)? {
            Some(id) => id,
            None => digest::id_of(&task),
        };
        Ok(task)
    }
}

fn asked(row: &Map<String, Value>, chat: bool) -> Result<(Option<String>, Vec<Message>), Fault> {
    match (row.get("prompt"), row.get("messages")) {
        (Some(_), Some(_)) => {
            Err(Fault::BadValue { field: "messages".into(), why: "stands beside `prompt`".into(), mend: "give one of the two".into() })
        }
        (Some(Value::String(text)), None) if text.trim().is_empty() => Err(empty("prompt")),
        (Some(Value::String(text)), None) if chat => Ok((None, vec![Message::user(text)])),
        (Some(Value::String(text)), None) => Ok((Some(text.clone()), Vec::new())),
        (Some(Value::Array(list)), None) => Ok((None, conversation("prompt", list)?)),
        (Some(other), None) => Err(wrong("prompt", "a string or a list of messages", other)),
        (None, Some(Value::Array(list))) => Ok((None, conversation("messages", list)?)),
        (None, Some(other)) => Err(wrong("messages", "a list of messages", other)),
        (None, None) => Err(missing(row, "prompt")),
    }
}

fn conversation(field: &str, list: &[Value]) -> Result<Vec<Message>, Fault> {
    let messages = list.iter().enumerate().map(|(i, value)| message(&format!("{field}[{i}]"), value));
    let messages = messages.collect::<Result<Vec<_>, _>>()?;
    match messages.last() {
        None => Err(empty(field)),
        Some(last) if last.role == Speaker::Assistant => Err(Fault::BadValue {
            field: format!("{field}[{}].role", list.len() - 1),
            why: "is assistant, but the last message is the one to be answered".into(),
            mend: "move the answer to a column of its own, or set `data.format`".into(),
        }),
        Some(_) => Ok(messages),
    }
}

fn message(place: &str, value: &Value) -> Result<Message, Fault> {
    let Value::Object(map) = value else { return Err(wrong(place, "an object with role and content", value)) };
    if let Some(key) = map.keys().find(|k| !["role", "content"].contains(&k.as_str())) {
        let mend = "a message has role and content; remove the rest".into();
        return Err(Fault::BadValue { field: format!("{place}.{key}"), why: "is not part of a message".into(), mend });
    }
    let at = |key: &str| format!("{place}.{key}");
    let field = |key: &str| match want(map, key) {
        Ok(Value::String(text)) => Ok(text.clone()),
        Ok(other) => Err(wrong(at(key), "a string", other)),
        Err(_) => Err(Fault::BadValue { field: at(key), why: "is missing".into(), mend: "give every message role and content".into() }),
    };
    let role = match field("role")?.as_str() {
        "system" => Speaker::System,
        "user" => Speaker::User,
        "assistant" => Speaker::Assistant,
        "tool" => Speaker::Tool,
        other => {
            let mend = "roles are system, user, assistant, tool".into();
            return Err(Fault::BadValue { field: at("role"), why: format!("is `{other}`"), mend });
        }
    };
    Ok(Message { role, content: field("content")? })
}

fn own_id(row: &Map<String, Value>) -> Result<Option<String>, Fault> {
    match row.get("id") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if !id.is_empty() => Ok(Some(id.clone())),
        Some(Value::Number(n)) if !n.is_f64() => Ok(Some(n.to_string())),
        Some(Value::String(_)) => Err(empty("id")),
        Some(other) => Err(wrong("id", "a string or a whole number", other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(json: Value) -> Result<Task, Fault> {
        let Value::Object(json) = json else { panic!("not an object") };
        Prompts.read(&Row { json, file: std::path::Path::new("x").into(), line: 1 }, &DataConfig::default())
    }

    #[test]
    fn the_sample_maps_as_it_always_did() {
        let task = read(serde_json::from_str(CARD.sample).unwrap()).unwrap();
        assert_eq!(task.text.as_deref(), Some("The opposite of tall is"));
        assert_eq!((task.truth, task.reward), (json!({"answer": "short", "level": 1}), None));
    }

    #[test]
    fn conversations_ids_and_rewards_are_taken() {
        let messages = json!([{"role": "system", "content": ""}, {"role": "user", "content": "Hi"}]);
        for column in ["messages", "prompt"] {
            let task = read(json!({column: messages, "id": 7, "reward": "numeric", "truth": 5})).unwrap();
            assert_eq!((task.id.as_str(), task.reward.as_deref(), task.truth), ("7", Some("numeric"), json!({"truth": 5})));
            assert_eq!((task.text, task.messages[1].clone()), (None, Message::user("Hi")));
        }
    }

    #[test]
    fn a_prompt_can_be_asked_as_a_message() {
        let row = Row { json: serde_json::from_str(CARD.sample).unwrap(), file: std::path::Path::new("x").into(), line: 1 };
        let config = DataConfig { prompts: Knobs { chat: true }, ..DataConfig::default() };
        assert_eq!(Prompts.read(&row, &config).unwrap().messages, [Message::user("The opposite of tall is")]);
    }

    #[test]
    fn what_cannot_be_asked_is_refused_by_name() {
        let user = json!({"role": "user", "content": "Hi"});
        let cases = [
            (json!({"prompt": " "}), "`prompt` is empty"),
            (json!({"prompt": 5}), "`prompt` is a number"),
            (json!({"promt": "x"}), "did you mean `promt`?"),
            (json!({"prompt": "x", "messages": [user]}), "beside `prompt`"),
            (json!({"messages": []}), "`messages` is empty"),
            (json!({"messages": [user, {"role": "assistant", "content": "Yes"}]}), "`messages[1].role` is assistant"),
            (json!({"messages": [{"role": "robot", "content": "x"}]}), "`messages[0].role` is `robot`"),
            (json!({"messages": [{"role": "user", "content": ["x"]}]}), "`messages[0].content` is a list"),
            (json!({"messages": [{"role": "user"}]}), "`messages[0].content` is missing"),
            (json!({"messages": [{"role": "user", "content": "x", "name": "y"}]}), "`messages[0].name`"),
            (json!({"prompt": "x", "id": 1.5}), "`id` is a number"),
            (json!({"prompt": "x", "reward": 1}), "`reward` is a number"),
        ];
        for (row, wanted) in cases {
            let fault = read(row.clone()).unwrap_err();
            assert!(fault.to_string().contains(wanted), "{row}: {fault}");
        }
    }
}
