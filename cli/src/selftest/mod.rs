//! `collimate selftest`: the exact checks of the project, run again on this machine with what is compiled in. No file is needed.
//!
//! A check measures one figure and compares it with its limit; a figure that is not a number is a breach.

mod engine;
mod resume;
mod tiny;

use std::time::Instant;

use collimate_algorithms::{goldens, roster};
use serde::Serialize;
use serde_json::json;

use crate::args::SelftestArgs;
use crate::exit::{Code, Exit, OrExit};
use crate::session;

/// What a check came to.
#[derive(Debug, Serialize)]
struct Outcome {
    /// What was checked.
    name: String,
    /// What was measured.
    figure: f64,
    /// The largest figure that holds.
    limit: f64,
    good: bool,
    seconds: f64,
    /// Why it could not be measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Runs a check.
fn check(name: impl Into<String>, limit: f64, measure: impl FnOnce() -> Result<f64, Exit>) -> Outcome {
    let (start, name) = (Instant::now(), name.into());
    let (figure, error) = match measure() {
        Ok(figure) => (figure, None),
        Err(exit) => (f64::NAN, Some(exit.to_string())),
    };
    Outcome { name, figure, limit, good: figure <= limit, seconds: start.elapsed().as_secs_f64(), error }
}

/// Runs all checks and prints them.
pub(crate) fn selftest(args: &SelftestArgs) -> Result<Code, Exit> {
    session::start_libtorch(args.threads);
    let mut outcomes = algorithms();
    let model = tiny::write()?;
    outcomes.extend(engine::checks(model.path()));
    outcomes.extend(resume::checks(model.path()));
    let good = outcomes.iter().all(|o| o.good);
    if args.json {
        session::print(&json!({ "good": good, "checks": outcomes }).to_string())?;
    } else {
        for o in &outcomes {
            let sign = if o.good { "ok " } else { "BAD" };
            let error = o.error.as_ref().map(|e| format!("  {e}")).unwrap_or_default();
            session::print(&format!("{sign}  {:<52} {:>9.1e}  at most {:>7.0e}  {:>6.2} s{error}", o.name, o.figure, o.limit, o.seconds))?;
        }
        let (count, seconds) = (outcomes.len(), outcomes.iter().map(|o| o.seconds).sum::<f64>());
        let bad = outcomes.iter().filter(|o| !o.good).count();
        session::print(&format!("{count} checks, {bad} breaches, {seconds:.1} s"))?;
    }
    Ok(if good { Code::Done } else { Code::Failed })
}

/// Losses and gradients of every algorithm against numbers of plain loops in float64.
fn algorithms() -> Vec<Outcome> {
    let mut all = Vec::new();
    for entry in roster() {
        let (start, name) = (Instant::now(), entry.card.name);
        let far = goldens::distance(name);
        let seconds = start.elapsed().as_secs_f64();
        let part = |what: &str, limit, of: fn(&goldens::Distance) -> f64| {
            let measure = || far.as_ref().map(of).map_err(ToString::to_string).or_failed();
            Outcome { seconds, ..check(format!("{name}: {what} against plain loops"), limit, measure) }
        };
        all.push(part("loss", goldens::VALUE, |d| d.value));
        all.push(part("gradient", goldens::GRADIENT, |d| d.gradient));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_above_its_limit_or_none_at_all_is_a_breach() {
        assert!(check("a", 1.0, || Ok(1.0)).good && !check("b", 1.0, || Ok(1.1)).good && !check("c", 1.0, || Ok(f64::NAN)).good);
        let failed = check("d", 1.0, || Err("no").or_failed());
        assert!(!failed.good && failed.error.is_some());
    }

    #[test]
    fn every_algorithm_holds() {
        let all = algorithms();
        assert_eq!(all.len(), 2 * roster().len());
        let bad: Vec<_> = all.iter().filter(|o| !o.good).collect();
        assert!(bad.is_empty(), "{bad:?}");
    }
}
