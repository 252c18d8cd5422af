//! The row that verl's preparation scripts write (usually as Parquet): a conversation, and what its reward compares with.

use collimate_types::Task;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::prompt;
use crate::fields::{bad, object, optional_text, text, want};
use crate::{DataConfig, Fault, FieldCard, Format, FormatCard, Reading, Row};

/// It has no knobs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct Verl;

/// The one instance.
pub static FORMAT: Verl = Verl;

static CARD: FormatCard = FormatCard {
    name: "verl",
    claim: "verl's row: the truth is {answer: reward_model.ground_truth, data_source, style, ability, extra_info}.",
    fields: &[
        FieldCard { name: "data_source", kind: "string", help: "Where the row comes from." },
        FieldCard { name: "prompt", kind: "list of {role, content}", help: "The conversation to be answered." },
        FieldCard { name: "reward_model", kind: "{style, ground_truth}", help: "What the answer is compared with." },
        FieldCard { name: "ability", kind: "string, optional", help: "The kind of task." },
        FieldCard { name: "extra_info", kind: "object, optional", help: "`split`, `index` and more." },
    ],
    knobs: &[],
    sample: r#"{"data_source": "made/up", "prompt": [{"role": "user", "content": "What is 2 + 3?"}], "ability": "math", "reward_model": {"style": "rule", "ground_truth": "5"}, "extra_info": {"split": "train", "index": 0}}"#,
};

impl Format for Verl {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        row.contains_key("data_source") && row.contains_key("prompt") && row.get("reward_model").is_some_and(Value::is_object)
    }

    fn read(&self, row: &Row, _config: &DataConfig) -> Result<Reading, Fault> {
        let row = &row.json;
        let (text_prompt, messages) = prompt(row, "prompt")?;
        want(row, "reward_model")?;
        let model = object(row, "reward_model")?;
        let answer = model.get("ground_truth").filter(|v| !v.is_null()).cloned();
        let answer = answer.ok_or_else(|| bad("reward_model.ground_truth", "is missing", "give what the answer is compared with"))?;
        let mut truth = Map::from_iter([("answer".to_owned(), answer), ("data_source".to_owned(), text(row, "data_source")?.into())]);
        if let Some(style) = model.get("style").and_then(Value::as_str) {
            truth.insert("style".into(), style.into());
        }
        if let Some(ability) = optional_text(row, "ability")? {
            truth.insert("ability".into(), ability.into());
        }
        if let Some(extra) = row.get("extra_info").filter(|v| !v.is_null()) {
            truth.insert("extra_info".into(), extra.clone());
        }
        Ok(Task { id: String::new(), text: text_prompt, messages, truth: Value::Object(truth), reward: None }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Item;
    use serde_json::json;

    #[test]
    fn the_ground_truth_becomes_the_answer() {
        let read = |json| Verl.read(&Row { json, file: std::path::Path::new("x").into(), line: 1 }, &DataConfig::default());
        let mut json: Map<String, Value> = serde_json::from_str(CARD.sample).unwrap();
        let task = Task::of(read(json.clone()).unwrap().example.unwrap()).unwrap();
        assert_eq!((&task.truth["answer"], &task.truth["extra_info"]["index"]), (&json!("5"), &json!(0)));
        assert_eq!(task.messages[0].content, "What is 2 + 3?");
        json.insert("reward_model".into(), json!({"style": "rule"}));
        assert_eq!(read(json).unwrap_err().to_string(), "`reward_model.ground_truth` is missing");
    }
}
