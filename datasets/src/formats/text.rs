//! Plain text: a column `text`, or the lines of a `.txt` file, learnt as a whole.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fields::{has, own_id, text};
use crate::{DataConfig, Fault, FieldCard, Format, FormatCard, KnobCard, Reading, Row};
use collimate_types::Task;

/// The knobs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// Whether each text is a prompt to be continued; otherwise it is learnt.
    pub ask: bool,
}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct Text;

/// The one instance.
pub static FORMAT: Text = Text;

static CARD: FormatCard = FormatCard {
    name: "text",
    claim: "Plain text: a column `text`, or each line of a .txt file that holds something; learnt as a whole, or a prompt to be continued.",
    fields: &[
        FieldCard { name: "text", kind: "string", help: "The text." },
        FieldCard { name: "id", kind: "string or whole number, optional", help: "Names the row." },
    ],
    knobs: &[KnobCard { name: "ask", help: "Whether each text is a prompt to be continued; otherwise it is learnt.", default: "false" }],
    sample: r#"{"text": "Once there was a small red boat."}"#,
};

impl Format for Text {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        has(row, "text") && !["prompt", "messages", "chosen", "completion"].iter().any(|column| has(row, column))
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault> {
        let (id, text) = (own_id(&row.json, "id")?, text(&row.json, "text")?);
        if config.text.ask {
            return Ok(Task { id, text: Some(text.to_owned()), messages: Vec::new(), truth: Value::Null, reward: None }.into());
        }
        Ok(super::language_modeling::whole(id, text).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Example;

    #[test]
    fn a_text_is_learnt_or_asked() {
        let row = Row { json: serde_json::from_str(CARD.sample).unwrap(), file: std::path::Path::new("x").into(), line: 1 };
        let read = |ask| Text.read(&row, &DataConfig { text: Knobs { ask }, ..DataConfig::default() }).unwrap().example.unwrap();
        assert!(matches!(read(false), Example::Demonstration(d) if d.answer.said().ends_with("boat.") && d.text.as_deref() == Some("")));
        assert!(matches!(read(true), Example::Task { task, .. } if task.text.as_deref() == Some("Once there was a small red boat.")));
    }
}
