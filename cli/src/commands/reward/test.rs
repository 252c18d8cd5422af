//! `collimate reward test`: golden cases, each judged twice.

use std::path::Path;

use collimate_rewards::trial;
use serde_json::json;

use super::one::{cases, open};
use crate::args::OneReward;
use crate::exit::{Code, Exit};
use crate::session::{print, say};

/// Judges the cases. The code is 1 if one is not as wanted, or if a verdict changes that must not.
pub(super) fn test(reward: &OneReward, file: &Path, as_json: bool) -> Result<Code, Exit> {
    let cases = cases(file)?;
    let opened = open(reward)?;
    let trial = trial(opened.reward.as_ref(), &opened.name, &cases);
    let may_change = opened.hello.as_ref().is_some_and(|h| !h.deterministic);
    let good = trial.wrong.is_empty() && (trial.changing.is_empty() || may_change);
    let mut times = trial.seconds.clone();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1))).copied().unwrap_or(0.0);
    if as_json {
        let line = json!({
            "reward": opened.name, "cases": cases.len(), "answers": trial.answers, "wrong": trial.wrong, "changing": trial.changing,
            "declared_deterministic": !may_change, "p50_ms": at(0.5) * 1e3, "p99_ms": at(0.99) * 1e3, "good": good,
        });
        print(&line.to_string())?;
        return Ok(if good { Code::Done } else { Code::Failed });
    }
    trial.wrong.iter().for_each(|line| say(&format!("{}: {line}", file.display())));
    for line in &trial.changing {
        let word = if may_change { "note" } else { "WARNING" };
        say(&format!("{word}: not deterministic: {}: {line}", file.display()));
    }
    print(&format!(
        "{}: {} of {} answers as wanted, {} changed when they were judged again; a call takes {:.3} ms (p50), {:.3} ms (p99)",
        opened.name,
        trial.answers - trial.wrong.len(),
        trial.answers,
        trial.changing.len(),
        at(0.5) * 1e3,
        at(0.99) * 1e3
    ))?;
    Ok(if good { Code::Done } else { Code::Failed })
}
