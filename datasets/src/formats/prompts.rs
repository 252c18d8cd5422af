//! Prompts with whatever a reward needs beside them: the field's prompt-only form, plain or as a conversation.

use collimate_types::{Message, Task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::{Asked, ends_answered, prompt, to_answer};
use crate::fields::{bad, has, missing, optional_text, own_id, wrong};
use crate::{DataConfig, Fault, FieldCard, Format, FormatCard, KnobCard, Reading, Row};

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
        // Prompts with answers beside them are other shapes of the field.
        let answers = ["completion", "completions", "chosen", "rejected", "reward_model"];
        let answered = answers.iter().any(|column| has(row, column)) || ends_answered(row.get("messages"));
        (row.contains_key("prompt") || row.contains_key("messages")) && !answered
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault> {
        let row = &row.json;
        let (text, messages) = asked(row, config.prompts.chat)?;
        let reward = optional_text(row, "reward")?.map(str::to_owned);
        let further = row.iter().filter(|(k, _)| !["prompt", "messages", "id", "reward"].contains(&k.as_str()));
        let truth = Value::Object(further.map(|(k, v)| (k.clone(), v.clone())).collect());
        Ok(Task { id: own_id(row, "id")?, text, messages, truth, reward }.into())
    }
}

fn asked(row: &Map<String, Value>, chat: bool) -> Result<Asked, Fault> {
    match (row.get("prompt"), row.get("messages")) {
        (Some(_), Some(_)) => Err(bad("messages", "stands beside `prompt`", "give one of the two")),
        (Some(Value::String(text)), None) if chat && !text.trim().is_empty() => Ok((None, vec![Message::user(text)])),
        (Some(_), None) => prompt(row, "prompt"),
        (None, Some(Value::Array(list))) => Ok((None, to_answer("messages", list)?)),
        (None, Some(other)) => Err(wrong("messages", "a list of messages", other)),
        (None, None) => Err(missing(row, "prompt")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn task_of(reading: Reading) -> Result<Task, Fault> {
        Ok(<Task as crate::Item>::of(reading.named().example.unwrap()).unwrap())
    }

    fn read(json: Value) -> Result<Task, Fault> {
        let Value::Object(json) = json else { panic!("not an object") };
        task_of(Prompts.read(&Row { json, file: std::path::Path::new("x").into(), line: 1 }, &DataConfig::default())?)
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
        assert_eq!(task_of(Prompts.read(&row, &config).unwrap()).unwrap().messages, [Message::user("The opposite of tall is")]);
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
