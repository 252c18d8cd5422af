//! `collimate eval winrate`: the answers of two models before a judge.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use collimate_evals::{Bootstrap, JudgedPair, Outcome, Source, WinRateResult};
use collimate_types::{Sampling, Seed, Task};
use serde_json::json;

use super::answers::{self, Generate};
use super::args::EvalWinrateArgs;
use super::data;
use super::judge::{self, Contest};
use super::keep::{self, Kept};
use super::progress::Progress;
use crate::exit::{Code, Exit, OrExit};
use crate::run::Signals;
use crate::session;

/// Answers every prompt by both models, has each pair judged in both orders, and tells how often A wins.
pub(super) fn winrate(args: &EvalWinrateArgs) -> Result<Code, Exit> {
    let prompts = data::load::<Task>(&args.data, &args.format, args.rows, &[])?;
    let tasks = prompts.list;
    let judge = judge::open(args)?;
    let sampling = Sampling { temperature: args.temperature, max_new_tokens: args.max_new_tokens, ..Sampling::default() };
    let faults = |f: Vec<collimate_types::SamplingError>| f.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    sampling.check().map_err(faults).or_refused()?;
    let signals = Signals::catch()?;
    session::start_libtorch(args.threads);
    let start = Instant::now();
    // Both models draw from the same addresses: a model against itself is a tie.
    let how = Generate { sampling: Arc::new(sampling.clone()), slots: args.slots.max(1), seed: Seed(args.output.seed) };
    let a = answers::of(&args.a, &tasks, &how, &signals)?;
    let b = answers::of(&args.b, &tasks, &how, &signals)?;
    let contests: Vec<Contest<'_>> = tasks.iter().zip(&a).zip(&b).map(|((task, a), b)| Contest { task, a, b }).collect();
    let mut progress = Progress::start("pairs", contests.len(), &signals);
    let mut judged = judge.judge(&contests, &mut progress)?;
    drop(progress);
    judged.iter_mut().zip(&contests).for_each(|(pair, contest)| lengths(pair, contest));
    let bootstrap = Bootstrap { seed: Seed(args.output.seed).fork("winrate", 0), ..Bootstrap::default() };
    let result = WinRateResult::of(&judged, bootstrap).or_failed()?;
    let mut settings = judge.settings();
    settings.insert("rows".into(), json!(tasks.len()));
    settings.insert("sampling".into(), json!(sampling));
    settings.insert("seed".into(), json!(args.output.seed));
    let kept = Kept {
        model: source(&args.a)?,
        against: Some(source(&args.b)?),
        data: keep::file(&args.data)?,
        format: prompts.format.to_owned(),
        settings,
        seconds: start.elapsed().as_secs_f64(),
    };
    keep::tell(kept, Outcome::WinRate(result), &keep::place(&args.output, &args.a), args.output.json)
}

/// In characters: the tokens of two models may not be the same.
fn lengths(pair: &mut JudgedPair, contest: &Contest<'_>) {
    let characters = |text: &str| text.chars().count() as f64;
    (pair.a_length, pair.b_length) = (characters(contest.a.answer().text), characters(contest.b.answer().text));
}

fn source(path: &Path) -> Result<Source, Exit> {
    if path.is_file() { keep::file(path) } else { keep::model(path) }
}
