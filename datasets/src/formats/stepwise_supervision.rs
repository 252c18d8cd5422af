//! TRL's stepwise supervision shape: a prompt and the steps of a solution, each right or wrong.

use collimate_types::SteppedAnswer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::prompt;
use crate::fields::{bad, empty, flag_of, has, list, own_id, wrong};
use crate::{DataConfig, Fault, FieldCard, Format, FormatCard, Reading, Row};

/// It has no knobs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct StepwiseSupervision;

/// The one instance.
pub static FORMAT: StepwiseSupervision = StepwiseSupervision;

static CARD: FormatCard = FormatCard {
    name: "stepwise-supervision",
    claim: "TRL's stepwise supervision shape: a prompt and the steps of a solution, each right or wrong.",
    fields: &[
        FieldCard { name: "prompt", kind: "string or messages", help: "What was answered." },
        FieldCard { name: "completions", kind: "list of strings", help: "The steps in their order." },
        FieldCard { name: "labels", kind: "list of true and false", help: "Whether each step is right." },
        FieldCard { name: "id", kind: "string or whole number, optional", help: "Names the row." },
    ],
    knobs: &[],
    sample: r#"{"prompt": "Which is larger, 9.8 or 9.11?", "completions": ["The whole parts are equal.", "So 9.11 is larger."], "labels": [true, false]}"#,
};

impl Format for StepwiseSupervision {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        ["prompt", "completions", "labels"].iter().all(|column| has(row, column))
    }

    fn read(&self, row: &Row, _config: &DataConfig) -> Result<Reading, Fault> {
        let row = &row.json;
        let (text, messages) = prompt(row, "prompt")?;
        let (steps, labels) = (list(row, "completions")?, list(row, "labels")?);
        if steps.len() != labels.len() {
            return Err(bad("labels", format!("has {} entries for {} steps", labels.len(), steps.len()), "give one label to each step"));
        }
        if steps.is_empty() {
            return Err(empty("completions"));
        }
        let step = |(i, (step, label)): (usize, (&Value, &Value))| {
            let text = step.as_str().ok_or_else(|| wrong(format!("completions[{i}]"), "a string", step))?;
            Ok((text.to_owned(), flag_of(&format!("labels[{i}]"), label)?))
        };
        let steps = steps.iter().zip(labels).enumerate().map(step).collect::<Result<Vec<_>, Fault>>()?;
        Ok(SteppedAnswer { id: own_id(row, "id")?, text, messages, steps }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Example;
    use serde_json::json;

    fn read(changes: Value) -> Result<SteppedAnswer, Fault> {
        let mut json: Map<String, Value> = serde_json::from_str(CARD.sample).unwrap();
        let Value::Object(changes) = changes else { panic!("not an object") };
        json.extend(changes);
        let row = Row { json, file: std::path::Path::new("x").into(), line: 1 };
        match StepwiseSupervision.read(&row, &DataConfig::default())?.example {
            Some(Example::Stepped(stepped)) => Ok(stepped),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_step_has_its_label() {
        let steps = read(json!({})).unwrap().steps;
        assert_eq!(steps, [("The whole parts are equal.".to_owned(), true), ("So 9.11 is larger.".to_owned(), false)]);
        assert_eq!(read(json!({"labels": [true]})).unwrap_err().to_string(), "`labels` has 1 entries for 2 steps");
        assert!(read(json!({"labels": [true, 3]})).unwrap_err().to_string().contains("`labels[1]` is a number"));
    }
}
