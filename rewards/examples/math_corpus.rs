//! Judges a corpus of labelled answers with the mathematical verifier.
//!
//! `cargo run -p collimate-rewards --example math_corpus FILE.jsonl` prints one line a row: `1`, `0`, or `-` for a truth that cannot be
//! read. Rows are `{"gold", "answer", ...}`.

use std::io::Write;
use std::process::ExitCode;

use collimate_rewards::math::{Place, Truth};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done where even this cannot be written.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let path = std::env::args().nth(1).ok_or("usage: math_corpus FILE.jsonl")?;
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (number, line) in text.lines().enumerate() {
        let row = serde_json::from_str::<serde_json::Value>(line).map_err(|e| format!("{path}:{}: {e}", number + 1))?;
        let (Some(gold), Some(answer)) = (row["gold"].as_str(), row["answer"].as_str()) else {
            return Err(format!("{path}:{}: not an object with the texts `gold` and `answer`", number + 1));
        };
        let verdict = match Truth::read(gold) {
            Ok(truth) if truth.equals(answer, Place::Auto) => "1",
            Ok(_) => "0",
            Err(_) => "-",
        };
        writeln!(out, "{verdict}").map_err(|e| e.to_string())?;
    }
    Ok(())
}
