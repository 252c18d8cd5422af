//! Countdown: an expression of given numbers that equals a target, each number used once. Made by a seeded generator (every question has an
//! answer) or read from rows `{"nums", "target"}`.

use collimate_types::{Message, Seed, Task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::made::{self, Maker};
use crate::fields::{bad, integer, list, optional_text, wrong};
use crate::{DataConfig, DataError, Example, Fault, FieldCard, Format, FormatCard, Generated, KnobCard, Reading, Row};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// How many numbers a question has, at least.
    pub min_numbers: usize,
    /// How many numbers a question has, at most.
    pub max_numbers: usize,
    /// The largest number.
    pub max: u32,
    /// The largest target.
    pub max_target: u32,
    /// The question: `{numbers}` and `{target}` are filled in.
    pub ask: String,
    /// The most questions to train on.
    pub rows: usize,
    /// The share of all questions that belongs to the held-out part, more than 0 and at most 0.5.
    pub heldout_share: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            min_numbers: 3,
            max_numbers: 4,
            max: 99,
            max_target: 999,
            ask: "Make {target} from the numbers {numbers}. Use each number once, with +, -, *, / and brackets. Think step by step, then put the \
                  expression in \\boxed{}."
                .into(),
            rows: 10_000,
            heldout_share: 0.1,
        }
    }
}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct Countdown;

/// The one instance.
pub static FORMAT: Countdown = Countdown;

static CARD: FormatCard = FormatCard {
    name: "countdown",
    claim: "An expression of given numbers that equals a target; made up (each question has an answer), or read from rows. The truth is {numbers, target}.",
    fields: &[
        FieldCard { name: "nums", kind: "list of whole numbers", help: "The numbers, each to be used once." },
        FieldCard { name: "target", kind: "whole number", help: "What the expression equals." },
        FieldCard { name: "expression", kind: "string, optional", help: "One that does; it is the worked answer." },
    ],
    knobs: &[
        KnobCard { name: "min_numbers", help: "How many numbers a question has, at least.", default: "3" },
        KnobCard { name: "max_numbers", help: "How many numbers a question has, at most.", default: "4" },
        KnobCard { name: "max", help: "The largest number.", default: "99" },
        KnobCard { name: "max_target", help: "The largest target.", default: "999" },
        KnobCard {
            name: "ask",
            help: "The question, with {numbers} and {target}.",
            default: r#""Make {target} from the numbers {numbers}. Use each number once, with +, -, *, / and brackets. Think step by step, then put the expression in \\boxed{}.""#,
        },
        KnobCard { name: "rows", help: "The most questions to train on.", default: "10000" },
        KnobCard { name: "heldout_share", help: "The share of all questions that belongs to the held-out part.", default: "0.1" },
    ],
    sample: r#"{"nums": [6, 3, 20], "target": 2, "expression": "20 - (6 * 3)"}"#,
};

impl Format for Countdown {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        row.get("nums").is_some_and(Value::is_array) && row.contains_key("target")
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault> {
        let (row, target) = (&row.json, integer(&row.json, "target")?);
        let number = |(i, value): (usize, &Value)| value.as_i64().ok_or_else(|| wrong(format!("nums[{i}]"), "a whole number", value));
        let numbers = list(row, "nums")?.iter().enumerate().map(number).collect::<Result<Vec<_>, _>>()?;
        if numbers.is_empty() {
            return Err(bad("nums", "is empty", "give the numbers to be used"));
        }
        let shown = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let asked = config.countdown.ask.replace("{numbers}", &shown).replace("{target}", &target.to_string());
        let truth = json!({ "numbers": numbers, "target": target });
        let worked = optional_text(row, "expression")?.map(|e| format!("{e} = {target}\n\\boxed{{{e}}}"));
        let task = Task { id: String::new(), text: None, messages: vec![Message::user(asked)], truth, reward: None };
        Ok(Example::Task { task, worked }.into())
    }

    fn check(&self, config: &DataConfig) -> Vec<DataError> {
        let knobs = &config.countdown;
        let wanted = made::Wanted("countdown");
        [
            wanted.that(knobs.min_numbers >= 2, "min_numbers", knobs.min_numbers, "at least 2"),
            wanted.that(
                (knobs.min_numbers..=8).contains(&knobs.max_numbers),
                "max_numbers",
                knobs.max_numbers,
                "at least min_numbers and at most 8",
            ),
            wanted.that((2..=1_000_000).contains(&knobs.max), "max", knobs.max, "from 2 to 1000000"),
            wanted.that(knobs.max_target >= 10, "max_target", knobs.max_target, "at least 10"),
            wanted.that(
                knobs.ask.contains("{numbers}") && knobs.ask.contains("{target}"),
                "ask",
                &knobs.ask,
                "a text with {numbers} and {target}",
            ),
            wanted.that(knobs.rows > 0, "rows", knobs.rows, "at least 1"),
            wanted.share(knobs.heldout_share),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn generates(&self) -> bool {
        true
    }

    fn reads(&self) -> bool {
        true
    }

    fn generate(&self, config: &DataConfig, seed: Seed) -> Option<Result<Generated, DataError>> {
        let knobs = &config.countdown;
        let maker = Maker { name: "countdown", rows: knobs.rows, heldout_rows: config.heldout_rows, heldout_share: knobs.heldout_share };
        Some(maker.make(seed, |seed| question(knobs, seed)))
    }
}

/// The question of an address: numbers are drawn and joined two by two until one value is left, which is the target. Nothing if the value
/// is out of range.
fn question(knobs: &Knobs, seed: Seed) -> Option<Map<String, Value>> {
    let draw = |n: u64, below: usize| (seed.uniform(n) * below as f64) as usize;
    let count = knobs.min_numbers + draw(0, knobs.max_numbers - knobs.min_numbers + 1);
    let numbers: Vec<i64> = (0..count as u64).map(|i| 1 + draw(1 + i, knobs.max as usize) as i64).collect();
    let mut parts: Vec<(i64, String)> = numbers.iter().map(|n| (*n, n.to_string())).collect();
    let mut at = 100;
    while parts.len() > 1 {
        let (a, a_text) = parts.swap_remove(draw(at, parts.len()));
        let (b, b_text) = parts.swap_remove(draw(at + 1, parts.len()));
        let (sign, value) = match draw(at + 2, 4) {
            0 => ('+', a.checked_add(b)?),
            1 => ('-', a.checked_sub(b)?),
            2 => ('*', a.checked_mul(b)?),
            _ if b != 0 && a % b == 0 => ('/', a / b),
            _ => ('+', a.checked_add(b)?),
        };
        let text = if parts.is_empty() { format!("{a_text} {sign} {b_text}") } else { format!("({a_text} {sign} {b_text})") };
        parts.push((value, text));
        at += 3;
    }
    let (target, expression) = parts.pop()?;
    (10..=i64::from(knobs.max_target)).contains(&target).then(|| {
        Map::from_iter([
            ("nums".to_owned(), json!(numbers)),
            ("target".to_owned(), target.into()),
            ("expression".to_owned(), expression.into()),
        ])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of an expression with brackets around every operation but the outermost.
    fn value(text: &str) -> f64 {
        let text = text.trim();
        if let Ok(number) = text.parse() {
            return number;
        }
        let mut depth = 0;
        for (i, c) in text.char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                '+' | '-' | '*' | '/' if depth == 0 && i > 0 => {
                    let (a, b) = (value(&text[..i]), value(&text[i + 1..]));
                    return match c {
                        '+' => a + b,
                        '-' => a - b,
                        '*' => a * b,
                        _ => a / b,
                    };
                }
                _ => {}
            }
        }
        value(text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).unwrap())
    }

    #[test]
    fn every_made_question_has_the_answer_it_gives() {
        let config = DataConfig { heldout_rows: 20, countdown: Knobs { rows: 300, ..Knobs::default() }, ..DataConfig::default() };
        let made = Countdown.generate(&config, Seed(5)).unwrap().unwrap();
        assert_eq!((made.train.len(), made.heldout.len()), (300, 20));
        for row in &made.train {
            let (expression, target) = (row.json["expression"].as_str().unwrap(), row.json["target"].as_f64().unwrap());
            assert_eq!(value(expression), target, "{expression}");
            let mut used: Vec<i64> = expression.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            let mut given: Vec<i64> = row.json["nums"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect();
            used.sort_unstable();
            given.sort_unstable();
            assert_eq!(used, given, "{expression}");
        }
    }

    #[test]
    fn rows_of_files_are_read() {
        let read = |json: Value| {
            let Value::Object(json) = json else { panic!("not an object") };
            let row = Row { json, file: std::path::Path::new("x").into(), line: 1 };
            Countdown.read(&row, &DataConfig::default())
        };
        let Some(Example::Task { task, worked }) = read(json!({"nums": [44, 19, 35], "target": 98})).unwrap().example else {
            panic!("no task")
        };
        assert!(task.messages[0].content.starts_with("Make 98 from the numbers 44, 19, 35."));
        assert_eq!((task.truth, worked), (json!({"numbers": [44, 19, 35], "target": 98}), None));
        assert!(read(json!({"nums": [1, "x"], "target": 2})).unwrap_err().to_string().contains("`nums[1]` is a string"));
    }
}
