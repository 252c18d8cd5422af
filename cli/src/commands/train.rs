//! `collimate train`.

use collimate_controller::Outcome;
use serde_json::json;

use crate::args::TrainArgs;
use crate::commands::plan::plan;
use crate::config::{Layer, Purpose, load};
use crate::exit::{Code, Exit};
use crate::run::{self, Begin, Job, Summary, build, refuse, start};
use crate::session;

/// Trains by a recipe.
pub(crate) fn train(args: &TrainArgs) -> Result<Code, Exit> {
    let mut recipe = args.recipe.clone();
    if let Some(path) = &args.init_from {
        // The checkpoint that a run has now, not the one it will have.
        recipe.parts.push(format!("model.path={}", session::model_dir(path)?.display()));
    }
    if args.dry_run {
        return plan(&recipe);
    }
    let loaded = load(&Layer::from_arguments(&recipe.parts), Purpose::Train).map_err(|d| refuse(&d, recipe.json))?;
    let job = build(&loaded).map_err(|d| refuse(&d, recipe.json))?;
    let begin = if args.resume { Begin::Resume } else { Begin::New };
    let summary = start(&job, begin)?;
    report(&job, &summary, recipe.json)?;
    Ok(code(&summary))
}

/// The exit code of a run. A stop has its signal's.
fn code(summary: &Summary) -> Code {
    match summary.outcome {
        Some(Outcome::Done) => Code::Done,
        Some(Outcome::Stopped { .. }) => summary.stopped_by.unwrap_or(Code::Stopped),
        _ => Code::Failed,
    }
}

fn report(job: &Job, summary: &Summary, as_json: bool) -> Result<(), Exit> {
    let dir = job.files.root.join(&job.files.name);
    let (first, last) = (summary.evaluations.first(), summary.evaluations.last());
    let outcome = match &summary.outcome {
        Some(Outcome::Done) => "done".to_owned(),
        Some(Outcome::Stopped { saved_step: Some(step) }) => format!("stopped; checkpoint of step {step}, go on with --resume"),
        Some(Outcome::Stopped { saved_step: None }) => "stopped before the first checkpoint".to_owned(),
        Some(Outcome::Starved { steps }) => {
            format!("{steps} steps in a row had no group to learn from: look at rollouts/ and at the reward")
        }
        Some(Outcome::NotFinite { steps }) => format!("{steps} steps in a row had no finite gradient: lower learner.lr"),
        Some(Outcome::NotSaved { step, saves, saved_step }) => {
            let there = saved_step.map_or_else(|| "there is none".to_owned(), |s| format!("the newest is that of step {s}"));
            format!(
                "the checkpoint of step {step} could not be saved ({saves} failed in a row), {there}; mend the disk and go on with --resume"
            )
        }
        None => "ended without an outcome".to_owned(),
    };
    if as_json {
        let accuracy = |e: Option<&(u64, run::Evaluated)>| e.map(|(_, e)| e.task.accuracy);
        let line = json!({
            "outcome": outcome, "run_dir": dir, "steps": summary.steps, "before": accuracy(first), "after": accuracy(last),
            "train_s": summary.train_s, "tokens": summary.tokens, "measured": summary.measured.last().map(|(_, m)| m),
        });
        return session::print(&line.to_string());
    }
    session::say(&format!("{outcome}: {} ({} of training)", dir.display(), run::clock(summary.train_s)));
    if let (Some((a, first)), Some((b, last))) = (first, last)
        && a != b
    {
        session::say(&format!("held-out: step {a} {}  ->  step {b} {}", first.task, last.task));
    }
    if let (Some((a, first)), Some((b, last))) = (summary.measured.first(), summary.measured.last())
        && a != b
    {
        for (name, before) in &first.0 {
            if let Some(after) = last.get(name).filter(|_| name != "eval/n") {
                session::say(&format!("held-out {}: step {a} {before:.4}  ->  step {b} {after:.4}", name.trim_start_matches("eval/")));
            }
        }
    }
    Ok(())
}
