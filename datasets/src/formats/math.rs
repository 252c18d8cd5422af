//! MATH (Hendrycks et al. 2021, arXiv:2103.03874): competition problems whose solution has its answer in the last `\boxed{}`.

use collimate_types::{Message, Task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::fields::{bad, optional_text, text};
use crate::{DataConfig, Example, Fault, FieldCard, Format, FormatCard, KnobCard, Reading, Row};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// Stands below each problem, after a line break; empty adds nothing.
    pub instruction: String,
}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct Math;

/// The one instance.
pub static FORMAT: Math = Math;

static CARD: FormatCard = FormatCard {
    name: "math",
    claim: "Competition problems with a worked solution; the truth is {answer: what stands in its last \\boxed{}, solution, level, type}.",
    fields: &[
        FieldCard { name: "problem", kind: "string", help: "The problem; it becomes one message of the user." },
        FieldCard { name: "solution", kind: "string", help: "The solution, with its answer in `\\boxed{}` (or `\\boxed 7`)." },
        FieldCard { name: "level", kind: "string, optional", help: "`Level 1` to `Level 5`." },
        FieldCard { name: "type", kind: "string, optional", help: "The field of mathematics." },
    ],
    knobs: &[KnobCard { name: "instruction", help: "Stands below each problem, after a line break.", default: "\"\"" }],
    sample: r#"{"problem": "What is $\\frac{1}{2} + \\frac{1}{3}$?", "level": "Level 1", "type": "Prealgebra", "solution": "Over 6 it is $\\frac{3+2}{6} = \\boxed{\\frac{5}{6}}$."}"#,
};

impl Format for Math {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        row.contains_key("problem") && row.get("solution").and_then(Value::as_str).is_some_and(|s| s.contains("\\boxed"))
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault> {
        let (problem, solution) = (text(&row.json, "problem")?, text(&row.json, "solution")?);
        let answer = boxed(solution).filter(|a| !a.is_empty());
        let answer = answer.ok_or_else(|| bad("solution", "has no answer in `\\boxed{}`", "end the solution with `\\boxed{ANSWER}`"))?;
        let instruction = &config.math.instruction;
        let asked = if instruction.is_empty() { problem.to_owned() } else { format!("{problem}\n{instruction}") };
        let (level, kind) = (optional_text(&row.json, "level")?, optional_text(&row.json, "type")?);
        let truth = json!({ "answer": answer, "solution": solution, "level": level, "type": kind });
        let task = Task { id: String::new(), text: None, messages: vec![Message::user(asked)], truth, reward: None };
        Ok(Example::Task { task, worked: Some(solution.to_owned()) }.into())
    }
}

/// What stands in the last box, braces inside it matched; `\boxed 7` has no braces.
fn boxed(text: &str) -> Option<&str> {
    let start = text.rfind("\\boxed")? + "\\boxed".len();
    let rest = text[start..].trim_start();
    let Some(inside) = rest.strip_prefix('{') else {
        return rest.split(|c: char| c.is_whitespace() || c == '$').next().map(|s| s.trim_end_matches('.'));
    };
    let (mut depth, mut escaped) = (1_u32, false);
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(inside[..at].trim());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Item;

    #[test]
    fn the_sample_maps_as_it_always_did() {
        let row = Row { json: serde_json::from_str(CARD.sample).unwrap(), file: std::path::Path::new("x").into(), line: 1 };
        let mut config = DataConfig::default();
        config.math.instruction = "Box the answer.".into();
        let task = Task::of(Math.read(&row, &config).unwrap().example.unwrap()).unwrap();
        assert_eq!(task.messages, [Message::user("What is $\\frac{1}{2} + \\frac{1}{3}$?\nBox the answer.")]);
        assert_eq!((&task.truth["answer"], &task.truth["type"]), (&json!("\\frac{5}{6}"), &json!("Prealgebra")));
    }

    #[test]
    fn the_last_box_counts_with_its_braces_matched() {
        assert_eq!(boxed("\\boxed{1} then \\boxed{\\frac{a}{b}}."), Some("\\frac{a}{b}"));
        assert_eq!(boxed("so $\\boxed 7$."), Some("7"));
        assert_eq!(boxed("\\boxed{\\{1, 2\\}}"), Some("\\{1, 2\\}"));
        assert_eq!((boxed("\\boxed{1"), boxed("none")), (None, None));
    }
}
