//! GSM8K (Cobbe et al. 2021, arXiv:2110.14168): grade-school word problems whose solution ends in `#### N`.

use collimate_types::{Message, Task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::fields::text;
use crate::{DataConfig, Example, Fault, FieldCard, Format, FormatCard, KnobCard, Reading, Row};

/// The mark before the final answer.
const MARK: &str = "####";

/// The knobs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// Stands below each question, after a line break; empty adds nothing.
    pub instruction: String,
}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct Gsm8k;

/// The one instance.
pub static FORMAT: Gsm8k = Gsm8k;

static CARD: FormatCard = FormatCard {
    name: "gsm8k",
    claim: "Word problems with a worked solution that ends in `#### N`; the truth is {\"answer\": \"N\", \"solution\": the text before it}.",
    fields: &[
        FieldCard { name: "question", kind: "string", help: "The problem; it becomes one message of the user." },
        FieldCard { name: "answer", kind: "string", help: "The solution; what follows its last `####` is the answer." },
    ],
    knobs: &[KnobCard { name: "instruction", help: "Stands below each question, after a line break.", default: "\"\"" }],
    sample: r#"{"question": "Mira has 3 jars with 14 beads each and gives 5 beads away. How many are left?", "answer": "She has 3*14 = <<3*14=42>>42 beads.\nThen 42-5 = <<42-5=37>>37 are left.\n#### 37"}"#,
};

impl Format for Gsm8k {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        let marked = row.get("answer").and_then(Value::as_str).is_some_and(|a| a.contains(MARK));
        marked && row.contains_key("question")
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault> {
        let worked = text(&row.json, "answer")?;
        let question = text(&row.json, "question")?;
        let (solution, answer) = worked.rsplit_once(MARK).ok_or_else(|| bad("has no `####`"))?;
        let (solution, answer) = (solution.trim_end(), answer.trim());
        if answer.is_empty() {
            return Err(bad("has nothing after its last `####`"));
        }
        let instruction = &config.gsm8k.instruction;
        let asked = if instruction.is_empty() { question.to_owned() } else { format!("{question}\n{instruction}") };
        let truth = json!({ "answer": answer, "solution": solution });
        let task = Task { id: String::new(), text: None, messages: vec![Message::user(asked)], truth, reward: None };
        Ok(Example::Task { task, worked: Some(worked.trim_end().to_owned()) }.into())
    }
}

fn bad(why: &str) -> Fault {
    Fault::BadValue { field: "answer".into(), why: why.into(), mend: "end the solution with a line `#### N`".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: Value, config: &DataConfig) -> Result<Task, Fault> {
        let Value::Object(json) = json else { panic!("not an object") };
        let row = Row { json, file: std::path::Path::new("x").into(), line: 1 };
        Gsm8k.read(&row, config).map(|r| <Task as crate::Item>::of(r.named().example.unwrap()).unwrap())
    }

    #[test]
    fn the_sample_maps_as_it_always_did() {
        let mut config = DataConfig::default();
        config.gsm8k.instruction = "Think first.".into();
        let task = read(serde_json::from_str(CARD.sample).unwrap(), &config).unwrap();
        let asked = "Mira has 3 jars with 14 beads each and gives 5 beads away. How many are left?\nThink first.";
        let solution = "She has 3*14 = <<3*14=42>>42 beads.\nThen 42-5 = <<42-5=37>>37 are left.";
        assert_eq!(task.messages, [Message::user(asked)]);
        assert_eq!(task.truth, json!({"answer": "37", "solution": solution}));
        assert_eq!((task.text, task.reward, task.id.len()), (None, None, 16));
    }

    #[test]
    fn the_last_mark_counts() {
        let task = read(json!({"question": "q", "answer": "#### 5 is wrong\n#### 1,234 "}), &DataConfig::default()).unwrap();
        assert_eq!(task.truth["answer"], "1,234");
    }

    #[test]
    fn a_solution_without_an_answer_is_refused() {
        for answer in ["so 5", "so 5 ####", "#### \n"] {
            let fault = read(json!({"question": "q", "answer": answer}), &DataConfig::default()).unwrap_err();
            assert!(fault.to_string().contains("####"), "{fault}");
        }
        let fault = read(json!({"Question": "q", "answer": "#### 5"}), &DataConfig::default()).unwrap_err();
        assert_eq!(fault.mend(), "rename `Question`");
    }
}
