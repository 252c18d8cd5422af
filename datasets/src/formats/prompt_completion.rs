//! TRL's prompt-completion shape: a prompt and an answer to imitate, plain or as conversations.

use collimate_types::{Demonstration, Reply};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::{answer, prompt};
use crate::fields::{bad, has, own_id};
use crate::{DataConfig, Fault, FieldCard, Format, FormatCard, Reading, Row};

/// It has no knobs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct PromptCompletion;

/// The one instance.
pub static FORMAT: PromptCompletion = PromptCompletion;

static CARD: FormatCard = FormatCard {
    name: "prompt-completion",
    claim: "TRL's prompt-completion shape: a prompt and an answer to imitate, plain or as conversations.",
    fields: &[
        FieldCard { name: "prompt", kind: "string or messages", help: "What is answered." },
        FieldCard { name: "completion", kind: "string or messages", help: "The answer, in the same form." },
        FieldCard { name: "id", kind: "string or whole number, optional", help: "Names the row." },
    ],
    knobs: &[],
    sample: r#"{"prompt": "The sky is", "completion": " blue."}"#,
};

impl Format for PromptCompletion {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        has(row, "prompt") && has(row, "completion") && !has(row, "label")
    }

    fn read(&self, row: &Row, _config: &DataConfig) -> Result<Reading, Fault> {
        let row = &row.json;
        let ((text, messages), answer) = pair(row)?;
        Ok(Demonstration { id: own_id(row, "id")?, text, messages, answer, every_turn: false }.into())
    }
}

/// Prompt and completion in one form.
pub(super) fn pair(row: &Map<String, Value>) -> Result<(crate::chat::Asked, Reply), Fault> {
    let (asked, answer) = (prompt(row, "prompt")?, answer(row, "completion")?);
    if asked.0.is_some() == matches!(answer, Reply::Text(_)) {
        return Ok((asked, answer));
    }
    Err(bad("completion", "has not the form of `prompt`", "give both as texts, or both as messages"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Example;
    use collimate_types::Message;
    use serde_json::json;

    fn read(json: Value) -> Result<Demonstration, Fault> {
        let Value::Object(json) = json else { panic!("not an object") };
        let row = Row { json, file: std::path::Path::new("x").into(), line: 1 };
        match PromptCompletion.read(&row, &DataConfig::default())?.example {
            Some(Example::Demonstration(d)) => Ok(d),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_forms_are_read_and_a_mixture_is_refused() {
        let plain = read(serde_json::from_str(CARD.sample).unwrap()).unwrap();
        assert_eq!((plain.text.as_deref(), plain.answer), (Some("The sky is"), Reply::Text(" blue.".into())));
        let (user, said) = (json!([{"role": "user", "content": "Sky?"}]), json!([{"role": "assistant", "content": "Blue."}]));
        let chat = read(json!({"prompt": user, "completion": said})).unwrap();
        assert_eq!((chat.messages, chat.answer, chat.every_turn), (vec![Message::user("Sky?")], Reply::turn("Blue."), false));
        assert!(read(json!({"prompt": "x", "completion": said})).unwrap_err().to_string().contains("not the form"));
        assert!(read(json!({"prompt": "x", "completion": ""})).unwrap_err().to_string().contains("`completion` is empty"));
    }
}
