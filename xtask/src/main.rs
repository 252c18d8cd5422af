//! The tasks of the house: `cargo xtask setup | demo | test | faults | algorithm | simulate | ci | tidy | fmt`.
//!
//! This crate depends on nothing but the standard library, so that it compiles in seconds on a machine that has
//! nothing yet, and it never links LibTorch: it is what brings LibTorch.

mod added;
mod checkout;
mod ci;
mod demo;
mod deny;
mod fmt;
mod programs;
mod say;
mod setup;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use checkout::Checkout;

/// What a task returns: nothing more to say, or one message for the person at the terminal (what, where, the mend).
type Done<T = ()> = Result<T, String>;

const USAGE: &str = "usage: cargo xtask TASK

  setup                    LibTorch and the small real model into the per-user cache; `.libtorch` points there
  demo [--seed N] [--again]  set-up, build, then `collimate demo`
  test [CARGO TEST ARGS]   set-up, build, every test
  faults [--json] [--seed N] [ROW..]  every row of the table of faults, injected and counted (docs/reliability.md)
  algorithm                a stored algorithm is added to a copy, one file and one word, and trains three steps
  simulate [--seeds N] [--from N] | seed=N  a whole run under random faults, from seeds
  ci [--no-test]           fmt, tidy, clippy, docs, deny and the tests, as on the build machine
  tidy                     the rules that no compiler checks
  fmt [--check]            rustfmt over every Rust file

docs/setup.md tells what set-up does and how to bring a LibTorch of your own.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((task, rest)) = args.split_first() else { return misuse("no task given") };
    let outcome = Checkout::find().and_then(|here| run(&here, task, rest));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => misuse(&format!("unknown task or argument in `{}`", args.join(" "))),
        Err(message) => {
            say::line(&format!("error: {message}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs one task; `false` when the words are not a task.
fn run(here: &Checkout, task: &str, rest: &[String]) -> Done<bool> {
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    match (task, words.as_slice()) {
        ("setup", []) => setup::run(here).map(drop)?,
        ("demo", _) => demo::run(here, rest)?,
        ("test", _) => test::run(here, rest)?,
        ("faults", _) => programs::faults(here, rest)?,
        ("algorithm", []) => added::run(here)?,
        ("simulate", _) => programs::simulate(here, rest)?,
        ("ci", []) => ci::run(here, true)?,
        ("ci", ["--no-test"]) => ci::run(here, false)?,
        ("tidy", []) => tidy::run(here)?,
        ("fmt", []) => fmt::run(here, false)?,
        ("fmt", ["--check"]) => fmt::run(here, true)?,
        ("help" | "-h" | "--help", _) => say::line(USAGE),
        _ => return Ok(false),
    }
    Ok(true)
}

fn misuse(why: &str) -> ExitCode {
    say::line(&format!("error: {why}\n\n{USAGE}"));
    ExitCode::from(2)
}
