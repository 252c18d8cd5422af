//! `cargo xtask ci`: every check of the build machine, each with a heading and its time, and a table at the end.
//!
//! A failed step does not stop the next: one run tells all.

use std::time::Duration;

use crate::checkout::Checkout;
use crate::{Done, deny, fmt, say, setup, test, tidy};

/// How a step ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Nothing to mend.
    Passed,
    /// What to mend.
    Failed(String),
    /// Why it could not be done here.
    Skipped(String),
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    time: Duration,
    outcome: Outcome,
}

type Work = fn(&Checkout) -> Outcome;

/// Quick steps first, so that a slip shows in seconds.
const STEPS: [(&str, Work); 6] = [
    ("fmt", |here| from(fmt::run(here, true))),
    ("clippy", |here| from(cargo(here, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], None))),
    ("docs", |here| from(cargo(here, &["doc", "--workspace", "--no-deps"], Some("-D warnings")))),
    ("tidy", |here| from(tidy::run(here))),
    ("deny: bans, licences, sources", deny::check),
    ("deny: advisories", deny::advisories),
];

/// Runs all steps; an error at the end if one failed.
pub(crate) fn run(here: &Checkout, with_tests: bool) -> Done {
    setup::run(here)?;
    let mut steps: Vec<Step> = STEPS.iter().map(|(name, work)| step(here, name, *work)).collect();
    if with_tests {
        steps.push(step(here, "tests", |here| from(test::run(here, &[]))));
    }
    say::line(&table(&steps));
    match steps.iter().filter(|step| matches!(step.outcome, Outcome::Failed(_))).count() {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} steps failed", steps.len())),
    }
}

fn step(here: &Checkout, name: &'static str, work: Work) -> Step {
    let clock = say::heading(name);
    let outcome = work(here);
    let time = clock.elapsed();
    match &outcome {
        Outcome::Passed => say::line(&format!("passed in {}", say::seconds(time))),
        Outcome::Failed(why) => say::line(&format!("failed in {}: {why}", say::seconds(time))),
        Outcome::Skipped(why) => say::line(&format!("skipped: {why}")),
    }
    Step { name, time, outcome }
}

fn from(done: Done) -> Outcome {
    done.map_or_else(Outcome::Failed, |()| Outcome::Passed)
}

fn cargo(here: &Checkout, words: &[&str], rustdoc_flags: Option<&str>) -> Done {
    let mut command = here.cargo();
    command.args(words);
    if let Some(flags) = rustdoc_flags {
        command.env("RUSTDOCFLAGS", flags);
    }
    let status = command.status().map_err(|e| format!("cannot run cargo: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo {}`; its messages are above", words.join(" "))) }
}

fn table(steps: &[Step]) -> String {
    let width = steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
    let mut text = String::from("\n== result");
    for step in steps {
        let (word, note) = match &step.outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Failed(_) => ("FAILED", ""),
            Outcome::Skipped(why) => ("skipped", why.as_str()),
        };
        let line = format!("{:width$}  {word:7}  {:>9}  {note}", step.name, say::seconds(step.time));
        text.push_str(&format!("\n{}", line.trim_end()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_each_step_its_end_and_its_time() {
        let step = |name, outcome| Step { name, time: Duration::from_millis(1500), outcome };
        let text = table(&[
            step("fmt", Outcome::Passed),
            step("clippy", Outcome::Failed("x".to_owned())),
            step("advisories", Outcome::Skipped("no network".to_owned())),
        ]);
        let lines: Vec<&str> = text.trim().lines().collect();
        assert_eq!(lines[1], "fmt         passed       1.5 s");
        assert_eq!(lines[2], "clippy      FAILED       1.5 s");
        assert_eq!(lines[3], "advisories  skipped      1.5 s  no network");
    }
}
