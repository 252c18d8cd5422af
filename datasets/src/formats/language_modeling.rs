//! TRL's language-modelling shape: a text, or a conversation that ends with the assistant, learnt as a whole.

use collimate_types::{Demonstration, Reply};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::{answered, ends_answered};
use crate::fields::{has, list, missing, own_id, text};
use crate::{DataConfig, Fault, FieldCard, Format, FormatCard, KnobCard, Reading, Row};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// Whether all turns of the assistant are learnt from; otherwise the last one alone.
    pub every_turn: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { every_turn: true }
    }
}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct LanguageModeling;

/// The one instance.
pub static FORMAT: LanguageModeling = LanguageModeling;

static CARD: FormatCard = FormatCard {
    name: "language-modeling",
    claim: "TRL's language-modelling shape: conversations that end with the assistant, or texts (see also `text`), learnt as a whole.",
    fields: &[
        FieldCard {
            name: "messages",
            kind: "list of {role, content}, optional",
            help: "A conversation; its last turn is the assistant's.",
        },
        FieldCard { name: "text", kind: "string, optional", help: "In place of `messages`: the text." },
        FieldCard { name: "id", kind: "string or whole number, optional", help: "Names the row." },
    ],
    knobs: &[KnobCard {
        name: "every_turn",
        help: "Whether all turns of the assistant are learnt from; otherwise the last one alone.",
        default: "true",
    }],
    sample: r#"{"messages": [{"role": "user", "content": "What colour is the sky?"}, {"role": "assistant", "content": "Blue."}]}"#,
};

impl Format for LanguageModeling {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        let other = ["prompt", "completion", "chosen", "rejected"].iter().any(|column| has(row, column));
        ends_answered(row.get("messages")) && !other
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault> {
        let row = &row.json;
        let id = own_id(row, "id")?;
        if has(row, "messages") {
            let mut messages = answered("messages", list(row, "messages")?)?;
            let last = messages.split_off(messages.len() - 1);
            let every_turn = config.language_modeling.every_turn;
            return Ok(Demonstration { id, text: None, messages, answer: Reply::Turns(last), every_turn }.into());
        }
        if !row.contains_key("text") {
            return Err(missing(row, "messages"));
        }
        Ok(whole(id, text(row, "text")?).into())
    }
}

/// A text that is learnt as a whole.
pub(super) fn whole(id: String, text: &str) -> Demonstration {
    Demonstration { id, text: Some(String::new()), messages: Vec::new(), answer: Reply::Text(text.to_owned()), every_turn: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Example, Item};
    use collimate_types::{Message, Task};
    use serde_json::json;

    fn read(json: Value) -> Result<Example, Fault> {
        let Value::Object(json) = json else { panic!("not an object") };
        let row = Row { json, file: std::path::Path::new("x").into(), line: 1 };
        Ok(LanguageModeling.read(&row, &DataConfig::default())?.example.unwrap())
    }

    #[test]
    fn conversations_and_texts_are_learnt_whole() {
        let Example::Demonstration(chat) = read(serde_json::from_str(CARD.sample).unwrap()).unwrap() else { panic!("no demonstration") };
        assert_eq!(
            (chat.messages, chat.answer, chat.every_turn),
            (vec![Message::user("What colour is the sky?")], Reply::turn("Blue."), true)
        );
        let plain = read(json!({"text": "Once."})).unwrap();
        assert_eq!(plain.to_row(), json!({"text": "Once."}));
        assert!(Task::of(plain).is_none(), "a text without a prompt asks nothing");
        assert!(read(json!({"messages": [{"role": "user", "content": "x"}]})).unwrap_err().to_string().contains("is not assistant"));
        assert!(read(json!({"txt": "x"})).unwrap_err().to_string().contains("`messages` is missing"));
    }
}
