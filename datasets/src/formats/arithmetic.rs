//! Sums, differences and products of whole numbers, made by a seeded generator. No file is read.
//!
//! A question belongs to the held-out part or to the training part by a hash of the question itself (of `3 + 5` and `5 + 3` alike), so
//! the parts are disjoint by construction, for every seed and every number of rows. Worked examples are drawn from the training part
//! alone. The held-out questions are the same for every seed; the seed decides what is trained on.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use collimate_types::{Message, Seed, Task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::fields::{integer, text};
use crate::{DataConfig, DataError, Fault, FieldCard, Format, FormatCard, Generated, KnobCard, Permutation, Reading, Row};

/// The largest operand: products of two stay within 64 bits.
const LIMIT: i64 = 1_000_000_000;

/// An operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operator {
    /// Addition.
    #[serde(rename = "+")]
    Plus,
    /// Subtraction.
    #[serde(rename = "-")]
    Minus,
    /// Multiplication.
    #[serde(rename = "*")]
    Times,
}

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// The operators that questions have: `+`, `-`, `*`.
    pub operators: Vec<Operator>,
    /// The smallest operand.
    pub min: i64,
    /// The largest operand.
    pub max: i64,
    /// Whether results below zero are asked for.
    pub negative: bool,
    /// How many worked examples stand before a question. They are never the question itself and never held out.
    pub examples: usize,
    /// Whether every question has examples of its own; otherwise all share theirs.
    pub vary: bool,
    /// Stands before the examples, as it is.
    pub intro: String,
    /// A worked example: `{question}` and `{answer}` are filled in.
    pub example: String,
    /// The question: `{question}` is filled in.
    pub ask: String,
    /// Whether the whole is asked as a message of the user; otherwise it is plain text to be continued.
    pub chat: bool,
    /// The most questions to train on; 0 takes all there are.
    pub rows: usize,
    /// The share of all questions that belongs to the held-out part, more than 0 and at most 0.5.
    pub heldout_share: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            operators: vec![Operator::Plus, Operator::Minus],
            min: 0,
            max: 50,
            negative: true,
            examples: 2,
            vary: true,
            intro: String::new(),
            example: "{question} = {answer}\n".into(),
            ask: "{question} =".into(),
            chat: false,
            rows: 10_000,
            heldout_share: 0.1,
        }
    }
}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct Arithmetic;

/// The one instance.
pub static FORMAT: Arithmetic = Arithmetic;

static CARD: FormatCard = FormatCard {
    name: "arithmetic",
    claim: "Made-up sums, differences and products with worked examples before each; no file, and a held-out part that is disjoint by \
            construction.",
    fields: &[
        FieldCard { name: "left", kind: "whole number", help: "The first operand." },
        FieldCard { name: "operator", kind: "`+`, `-` or `*`", help: "What is done with them." },
        FieldCard { name: "right", kind: "whole number", help: "The second operand." },
    ],
    knobs: &[
        KnobCard { name: "operators", help: "The operators that questions have: +, -, *.", default: r#"["+", "-"]"# },
        KnobCard { name: "min", help: "The smallest operand.", default: "0" },
        KnobCard { name: "max", help: "The largest operand.", default: "50" },
        KnobCard { name: "negative", help: "Whether results below zero are asked for.", default: "true" },
        KnobCard { name: "examples", help: "How many worked examples stand before a question.", default: "2" },
        KnobCard { name: "vary", help: "Whether every question has examples of its own; otherwise all share theirs.", default: "true" },
        KnobCard { name: "intro", help: "Stands before the examples, as it is.", default: "\"\"" },
        KnobCard { name: "example", help: "A worked example, with {question} and {answer}.", default: r#""{question} = {answer}\n""# },
        KnobCard { name: "ask", help: "The question, with {question}.", default: r#""{question} =""# },
        KnobCard {
            name: "chat",
            help: "Whether the whole is a message of the user; otherwise it is text to be continued.",
            default: "false",
        },
        KnobCard { name: "rows", help: "The most questions to train on; 0 takes all there are.", default: "10000" },
        KnobCard { name: "heldout_share", help: "The share of all questions that belongs to the held-out part.", default: "0.1" },
    ],
    sample: r#"{"left": 7, "operator": "+", "right": 5}"#,
};

impl Format for Arithmetic {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, _row: &Map<String, Value>) -> bool {
        false // It reads no file.
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault> {
        let knobs = &config.arithmetic;
        let question = Question::read(&row.json)?;
        let mut asked = knobs.intro.clone();
        for example in examples(question, knobs)? {
            let filled = knobs.example.replace("{question}", &example.to_string());
            asked.push_str(&filled.replace("{answer}", &example.result().to_string()));
        }
        asked.push_str(&knobs.ask.replace("{question}", &question.to_string()));
        let (text, messages) = if knobs.chat { (None, vec![Message::user(asked)]) } else { (Some(asked), Vec::new()) };
        let truth = json!({ "answer": question.result().to_string(), "question": question.to_string() });
        Ok(Task { id: String::new(), text, messages, truth, reward: None }.into())
    }

    fn check(&self, config: &DataConfig) -> Vec<DataError> {
        check(&config.arithmetic)
    }

    fn generates(&self) -> bool {
        true
    }

    fn generate(&self, config: &DataConfig, seed: Seed) -> Option<Result<Generated, DataError>> {
        Some(generate(config, seed))
    }
}

/// A question, to be printed as `7 + 5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Question {
    left: i64,
    operator: Operator,
    right: i64,
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.left, self.operator.sign(), self.right)
    }
}

impl Operator {
    fn sign(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
        }
    }
}

impl Question {
    /// The `index`-th of all questions that the knobs allow, counted from 0.
    fn nth(index: u64, knobs: &Knobs) -> Self {
        let span = (knobs.max - knobs.min + 1) as u64;
        let (pair, operator) = (index / knobs.operators.len() as u64, index % knobs.operators.len() as u64);
        let operand = |i: u64| knobs.min + i as i64;
        Self { left: operand(pair / span), operator: knobs.operators[operator as usize], right: operand(pair % span) }
    }

    fn read(row: &Map<String, Value>) -> Result<Self, Fault> {
        let operand = |field: &str| {
            let value = integer(row, field)?;
            let mend = || format!("give a number between -{LIMIT} and {LIMIT}");
            let bad = || Fault::BadValue { field: field.into(), why: format!("is {value}"), mend: mend() };
            if (-LIMIT..=LIMIT).contains(&value) { Ok(value) } else { Err(bad()) }
        };
        let operator = match text(row, "operator")? {
            "+" => Operator::Plus,
            "-" => Operator::Minus,
            "*" => Operator::Times,
            other => {
                let mend = "give `+`, `-` or `*`".into();
                return Err(Fault::BadValue { field: "operator".into(), why: format!("is `{other}`"), mend });
            }
        };
        Ok(Self { left: operand("left")?, operator, right: operand("right")? })
    }

    fn row(self, index: usize, file: &Arc<Path>) -> Row {
        let pairs = [("left", json!(self.left)), ("operator", json!(self.operator.sign())), ("right", json!(self.right))];
        Row { json: pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(), file: Arc::clone(file), line: index as u64 + 1 }
    }

    fn result(self) -> i64 {
        match self.operator {
            Operator::Plus => self.left + self.right,
            Operator::Minus => self.left - self.right,
            Operator::Times => self.left * self.right,
        }
    }

    /// The same question with its operands in order, where the order does not matter: knowing `3 + 5` is knowing `5 + 3`.
    fn canonical(self) -> Self {
        if self.operator == Operator::Minus || self.left <= self.right { self } else { Self { left: self.right, right: self.left, ..self } }
    }

    /// 64 bits of the question itself.
    fn hash(self) -> u64 {
        let hash = blake3::hash(format!("arithmetic {}", self.canonical()).as_bytes());
        let mut word = [0; 8];
        word.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_le_bytes(word)
    }

    fn heldout(self, knobs: &Knobs) -> bool {
        // 2^-64: the hash as a number in [0, 1).
        (self.hash() as f64) * 2.0_f64.powi(-64) < knobs.heldout_share
    }

    fn allowed(self, knobs: &Knobs) -> bool {
        knobs.negative || self.result() >= 0
    }
}

/// All questions that the knobs allow, in the random order of an address; at most `patience` are looked at.
fn walk(knobs: &Knobs, seed: Seed, patience: u64) -> impl Iterator<Item = Question> + '_ {
    let span = (knobs.max - knobs.min + 1) as u64;
    let order = Permutation::new(span * span * knobs.operators.len() as u64, seed);
    order.iter().take(usize::try_from(patience).unwrap_or(usize::MAX)).map(|i| Question::nth(i, knobs)).filter(|q| q.allowed(knobs))
}

/// The worked examples of a question: a function of the question and the knobs alone, so that a task means the same in every run.
fn examples(question: Question, knobs: &Knobs) -> Result<Vec<Question>, Fault> {
    let seed = Seed(if knobs.vary { question.hash() } else { 0 }).fork("examples", 0);
    let mut taken = HashSet::from([question.canonical()]);
    let fresh = walk(knobs, seed, patience(knobs.examples)).filter(|q| !q.heldout(knobs) && taken.insert(q.canonical()));
    let found: Vec<_> = fresh.take(knobs.examples).collect();
    if found.len() == knobs.examples {
        return Ok(found);
    }
    let why = format!("asks for {} examples, and the training part has {}", knobs.examples, found.len());
    Err(Fault::BadValue { field: "examples".into(), why, mend: "lower `data.arithmetic.examples`, or widen min and max".into() })
}

/// How many questions are looked at for so many: enough for any sensible knobs, and an end for the others.
fn patience(wanted: usize) -> u64 {
    10_000 + 100 * wanted as u64
}

fn generate(config: &DataConfig, seed: Seed) -> Result<Generated, DataError> {
    let knobs = &config.arithmetic;
    let file: Arc<Path> = Path::new("<arithmetic>").into();
    let rows = |questions: Vec<Question>| questions.into_iter().enumerate().map(|(i, q)| q.row(i, &file)).collect::<Vec<_>>();
    let patience = if knobs.rows == 0 { u64::MAX } else { patience(knobs.rows) };
    let most = if knobs.rows == 0 { usize::MAX } else { knobs.rows };
    let train: Vec<_> = walk(knobs, seed.fork("arithmetic", 0), patience).filter(|q| !q.heldout(knobs)).take(most).collect();
    let heldout = held_out(knobs, config.heldout_rows);
    if heldout.len() < config.heldout_rows {
        let wanted = format!("only {} questions are held out; lower it, widen min and max, or raise heldout_share", heldout.len());
        return Err(DataError::Setting { key: "heldout_rows".into(), value: config.heldout_rows.to_string(), wanted });
    }
    if train.is_empty() {
        let wanted = "no question to train on has a result of 0 or more; set negative = true, or widen min and max".into();
        return Err(DataError::Setting { key: "arithmetic.negative".into(), value: knobs.negative.to_string(), wanted });
    }
    Ok(Generated { train: rows(train), heldout: rows(heldout) })
}

/// The held-out questions, no two of them the same but for the order of their operands.
fn held_out(knobs: &Knobs, rows: usize) -> Vec<Question> {
    let patience = (patience(rows) as f64 / knobs.heldout_share) as u64;
    let mut taken = HashSet::new();
    walk(knobs, Seed(0).fork("arithmetic/heldout", 0), patience)
        .filter(|q| q.heldout(knobs) && taken.insert(q.canonical()))
        .take(rows)
        .collect()
}

fn check(knobs: &Knobs) -> Vec<DataError> {
    let mut faults = Vec::new();
    let mut want = |good: bool, key: &str, value: String, wanted: &str| {
        if !good {
            faults.push(DataError::Setting { key: format!("arithmetic.{key}"), value, wanted: wanted.into() });
        }
    };
    let distinct: HashSet<_> = knobs.operators.iter().collect();
    let signs: Vec<_> = knobs.operators.iter().map(|o| o.sign()).collect();
    want(!signs.is_empty() && distinct.len() == signs.len(), "operators", format!("{signs:?}"), "one or more of +, -, *, each once");
    want(knobs.min >= -LIMIT, "min", knobs.min.to_string(), "at least -1000000000");
    want(knobs.max <= LIMIT, "max", knobs.max.to_string(), "at most 1000000000");
    want(knobs.min <= knobs.max, "max", knobs.max.to_string(), "at least min");
    want(knobs.examples <= 64, "examples", knobs.examples.to_string(), "at most 64");
    let share = knobs.heldout_share;
    want(share > 0.0 && share <= 0.5, "heldout_share", share.to_string(), "more than 0 and at most 0.5");
    want(knobs.ask.contains("{question}"), "ask", format!("{:?}", knobs.ask), "a text with {question}");
    let worked = knobs.examples == 0 || (knobs.example.contains("{question}") && knobs.example.contains("{answer}"));
    want(worked, "example", format!("{:?}", knobs.example), "a text with {question} and {answer}");
    let span = i128::from(knobs.max) - i128::from(knobs.min) + 1;
    let all = span * span * signs.len() as i128;
    want(knobs.rows != 0 || all <= 10_000_000, "rows", "0".into(), "a number, where there are more than 10 million questions");
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(knobs: Knobs) -> DataConfig {
        DataConfig { format: "arithmetic".into(), arithmetic: knobs, ..DataConfig::default() }
    }

    fn read(json: Value, config: &DataConfig) -> Result<Task, Fault> {
        let Value::Object(json) = json else { panic!("not an object") };
        let row = Row { json, file: Path::new("x").into(), line: 1 };
        Arithmetic.read(&row, config).map(|r| <Task as crate::Item>::of(r.named().example.unwrap()).unwrap())
    }

    fn questions(rows: &[Row]) -> Vec<Question> {
        rows.iter().map(|r| Question::read(&r.json).unwrap()).collect()
    }

    fn canonical(rows: &[Row]) -> HashSet<Question> {
        questions(rows).into_iter().map(Question::canonical).collect()
    }

    #[test]
    fn the_sample_maps_as_it_always_did() {
        let task = read(serde_json::from_str(CARD.sample).unwrap(), &DataConfig::default()).unwrap();
        assert_eq!(task.text.as_deref(), Some("11 + 36 = 47\n21 - 21 = 0\n7 + 5 ="));
        assert_eq!(task.truth, json!({"answer": "12", "question": "7 + 5"}));
    }

    #[test]
    fn the_layout_is_the_recipes() {
        let knobs = Knobs {
            intro: "Reckon.\n".into(),
            example: "Q: {question}? A: {answer};".into(),
            ask: "Q: {question}? A:".into(),
            chat: true,
            examples: 1,
            vary: false,
            ..Knobs::default()
        };
        let task = read(json!({"left": 9, "operator": "-", "right": 20}), &config(knobs)).unwrap();
        let asked = &task.messages[0].content;
        assert!(asked.starts_with("Reckon.\nQ: ") && asked.ends_with(";Q: 9 - 20? A:"), "{asked}");
        assert_eq!((task.text, &task.truth["answer"]), (None, &json!("-11")));
    }

    #[test]
    fn the_parts_are_disjoint_for_every_seed_and_examples_are_never_held_out() {
        let config = config(Knobs { max: 40, operators: vec![Operator::Plus, Operator::Minus, Operator::Times], ..Knobs::default() });
        let heldout: Vec<_> = (0..4).map(|s| generate(&config, Seed(s)).unwrap().heldout).collect();
        assert!(heldout.iter().all(|h| *h == heldout[0]), "the held-out part is the same for every seed");
        let held = canonical(&heldout[0]);
        assert_eq!(held.len(), config.heldout_rows);
        for seed in 0..4 {
            let train = generate(&config, Seed(seed)).unwrap().train;
            assert!(canonical(&train).is_disjoint(&held));
            for question in questions(&train).into_iter().chain(questions(&heldout[0])) {
                let shown = examples(question, &config.arithmetic).unwrap();
                assert_eq!(shown.len(), 2);
                assert!(shown.iter().all(|e| !e.heldout(&config.arithmetic) && e.canonical() != question.canonical()));
            }
        }
    }

    #[test]
    fn the_order_of_operands_does_not_smuggle_a_question_into_the_other_part() {
        let knobs = Knobs::default();
        for operator in [Operator::Plus, Operator::Times] {
            for (left, right) in [(3, 5), (0, 17), (49, 12)] {
                let (one, other) = (Question { left, operator, right }, Question { left: right, operator, right: left });
                assert_eq!(one.heldout(&knobs), other.heldout(&knobs));
            }
        }
        assert_ne!(Question::nth(1, &knobs).hash(), Question::nth(3, &knobs).hash());
    }

    #[test]
    fn the_seed_decides_what_is_trained_on_and_no_question_comes_twice() {
        let config = config(Knobs { rows: 500, ..Knobs::default() });
        let train = |seed| questions(&generate(&config, Seed(seed)).unwrap().train);
        assert_eq!(train(1), train(1));
        assert_ne!(train(1), train(2));
        assert_eq!(train(1).iter().collect::<HashSet<_>>().len(), 500);
    }

    #[test]
    fn negative_results_can_be_left_out() {
        let config = config(Knobs { negative: false, rows: 0, ..Knobs::default() });
        let made = generate(&config, Seed(1)).unwrap();
        assert!(questions(&made.train).iter().chain(&questions(&made.heldout)).all(|q| q.result() >= 0));
        assert!(questions(&made.train).iter().any(|q| q.operator == Operator::Minus));
    }

    #[test]
    fn the_held_out_share_is_kept() {
        let knobs = Knobs { max: 99, operators: vec![Operator::Minus], ..Knobs::default() };
        let held = walk(&knobs, Seed(0), u64::MAX).filter(|q| q.heldout(&knobs)).count();
        assert!((850..1150).contains(&held), "{held} of 10,000"); // 5 standard deviations
    }

    #[test]
    fn impossible_knobs_are_all_named() {
        let knobs = Knobs { operators: vec![], min: 5, max: 4, ask: "?".into(), heldout_share: 0.0, examples: 99, ..Knobs::default() };
        let shown: Vec<_> = check(&knobs).iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 5, "{shown:?}");
        assert!(shown.iter().all(|s| s.starts_with("`data.arithmetic.")));
        assert!(!check(&Knobs { rows: 0, max: 10_000, ..Knobs::default() }).is_empty());
    }

    #[test]
    fn too_few_questions_are_refused_with_the_mend_and_the_widest_range_is_quick() {
        let few = config(Knobs { max: 3, ..Knobs::default() });
        assert!(generate(&few, Seed(0)).unwrap_err().to_string().contains("widen min and max"));
        let none = config(Knobs { min: -LIMIT, max: -1, operators: vec![Operator::Plus], negative: false, ..Knobs::default() });
        assert!(generate(&DataConfig { heldout_rows: 0, ..none }, Seed(0)).unwrap_err().to_string().contains("negative"));
        let all = vec![Operator::Plus, Operator::Minus, Operator::Times];
        let wide = config(Knobs { min: -LIMIT, max: LIMIT, operators: all, ..Knobs::default() });
        assert_eq!(generate(&wide, Seed(0)).unwrap().train.len(), 10_000);
        let fault = examples(Question { left: 0, operator: Operator::Plus, right: 0 }, &Knobs { max: 0, ..Knobs::default() });
        assert!(fault.unwrap_err().mend().contains("lower `data.arithmetic.examples`"));
    }
}
