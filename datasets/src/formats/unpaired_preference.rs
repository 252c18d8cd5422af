//! TRL's unpaired preference shape: a prompt and an answer that is good or bad, plain or as conversations.

use collimate_types::RatedAnswer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fields::{flag_of, has, own_id, want};
use crate::{DataConfig, Fault, FieldCard, Format, FormatCard, Reading, Row};

/// It has no knobs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct UnpairedPreference;

/// The one instance.
pub static FORMAT: UnpairedPreference = UnpairedPreference;

static CARD: FormatCard = FormatCard {
    name: "unpaired-preference",
    claim: "TRL's unpaired preference shape: a prompt, an answer, and whether it is wanted.",
    fields: &[
        FieldCard { name: "prompt", kind: "string or messages", help: "What was answered." },
        FieldCard { name: "completion", kind: "string or messages", help: "The answer, in the same form." },
        FieldCard { name: "label", kind: "true or false", help: "Whether it is wanted." },
        FieldCard { name: "id", kind: "string or whole number, optional", help: "Names the row." },
    ],
    knobs: &[],
    sample: r#"{"prompt": "The sky is", "completion": " green.", "label": false}"#,
};

impl Format for UnpairedPreference {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        ["prompt", "completion", "label"].iter().all(|column| has(row, column))
    }

    fn read(&self, row: &Row, _config: &DataConfig) -> Result<Reading, Fault> {
        let row = &row.json;
        let ((text, messages), answer) = super::prompt_completion::pair(row)?;
        let good = flag_of("label", want(row, "label")?)?;
        Ok(RatedAnswer { id: own_id(row, "id")?, text, messages, answer, good }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Example, Item};
    use serde_json::json;

    fn read(label: Value) -> Result<Example, Fault> {
        let mut json: Map<String, Value> = serde_json::from_str(CARD.sample).unwrap();
        json.insert("label".into(), label);
        let row = Row { json, file: std::path::Path::new("x").into(), line: 1 };
        Ok(UnpairedPreference.read(&row, &DataConfig::default())?.example.unwrap())
    }

    #[test]
    fn the_label_says_whether_it_is_wanted_and_only_wanted_answers_are_imitated() {
        assert!(matches!(read(json!(true)).unwrap(), Example::Rated(r) if r.good));
        assert!(matches!(read(json!("False")).unwrap(), Example::Rated(r) if !r.good));
        assert!(collimate_types::Demonstration::of(read(json!(true)).unwrap()).is_some());
        assert!(collimate_types::Demonstration::of(read(json!(false)).unwrap()).is_none());
        assert!(read(json!(1)).unwrap_err().to_string().contains("`label` is a number, wanted true or false"));
    }
}
