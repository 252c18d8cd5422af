//! Judges a corpus of labelled answers with the mathematical verifier.
//!
//! `cargo run -p collimate-rewards --example math_corpus FILE.jsonl` prints one line a row: `1`, `0`, or `-` for a truth that cannot be
//! read. Rows are `{"gold", "answer", ...}`.

use std::process::ExitCode;

use collimate_rewards::math::{Place, Truth};

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: math_corpus FILE.jsonl");
        return ExitCode::from(2);
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::from(2);
        }
    };
    for (number, line) in text.lines().enumerate() {
        let row = serde_json::from_str::<serde_json::Value>(line).ok();
        let field = |name: &str| row.as_ref().and_then(|row| row[name].as_str());
        let (Some(gold), Some(answer)) = (field("gold"), field("answer")) else {
            eprintln!("{path}:{}: not an object with the texts `gold` and `answer`", number + 1);
            return ExitCode::from(2);
        };
        match Truth::read(gold) {
            Ok(truth) => println!("{}", u8::from(truth.equals(answer, Place::Auto))),
            Err(_) => println!("-"),
        }
    }
    ExitCode::SUCCESS
}
