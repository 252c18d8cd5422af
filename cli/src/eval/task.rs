//! `collimate eval task`: questions with known answers.

use std::sync::Arc;
use std::time::Instant;

use collimate_actors::{Engine, Progress as Generation};
use collimate_datasets::{Split, load as load_data};
use collimate_evals::{Bootstrap, Outcome, SampledAnswer, SampledResult, Source, powers_up_to};
use collimate_types::Seed;
use serde_json::json;

use super::args::EvalTaskArgs;
use super::keep::{self, Kept};
use super::progress::Progress;
use super::vote::vote;
use crate::config::{Diagnostics, Layer, Purpose, Recipe, load};
use crate::exit::{Code, Exit, OrExit, refused};
use crate::run::{Evaluation, Sample, Signals, refuse};
use crate::{judges, machine, session};

/// Answers held-out questions and tells how many answers are right.
pub(super) fn task(args: &EvalTaskArgs) -> Result<Code, Exit> {
    let json_out = args.recipe.json;
    let mut parts = args.recipe.parts.clone();
    if let Some(model) = &args.model {
        parts.push(format!("model.path={}", model.display()));
    }
    let loaded = load(&Layer::from_arguments(&parts), Purpose::Evaluate).map_err(|d| refuse(&d, json_out))?;
    let recipe = loaded.recipe.clone().resolve(machine::cores(), machine::free_memory());
    let rewards = judges::build(&recipe.reward);
    let split = load_data(&recipe.data, Seed(recipe.run.seed).fork("data", 0));
    let (rewards, split) = match (rewards, split) {
        (Ok(rewards), Ok(split)) => (rewards, split),
        (rewards, split) => {
            let rewards = rewards.err().into_iter().flatten().map(|e| loaded.problem("reward", e.to_string()));
            let data = split.err().into_iter().flatten().map(|e| loaded.problem("data", e.to_string()));
            return Err(refuse(&rewards.chain(data).collect::<Diagnostics>(), json_out));
        }
    };
    if split.heldout.is_empty() {
        return Err(refused("there is no held-out question; set data.heldout_rows or give data.heldout=FILE"));
    }
    if args.samples == 0 || args.at.contains(&0) {
        return Err(refused("--samples and --at must be 1 or more"));
    }
    let rows = args.rows.unwrap_or(if recipe.eval.rows == 0 { split.heldout.len() } else { recipe.eval.rows }).min(split.heldout.len());
    let signals = Signals::catch()?;
    session::start_libtorch(recipe.run.threads);
    let opened = session::open_model(&recipe.model.path)?;
    let model = session::load(&opened.source)?;
    let sampling = recipe.eval_sampling();
    if args.samples > 1 && sampling.greedy() {
        session::say("warning: eval.temperature is 0, so that all answers to a question are the same; set eval.temperature=0.8, say");
    }
    let evaluation = Evaluation {
        tokenizer: &opened.tokenizer,
        rewards: &rewards,
        lanes: collimate_rewards::lanes(&recipe.reward),
        tasks: &split.heldout.tasks[..rows],
        sampling: Arc::new(sampling.clone()),
        slots: recipe.rollout.slots,
        answers: args.samples,
    };
    let start = Instant::now();
    let samples = answered(&evaluation, &model, rows * args.samples, &signals)?;
    let questions: Vec<Vec<SampledAnswer>> = samples.chunks(args.samples).map(|q| q.iter().map(item).collect()).collect();
    let at = if args.at.is_empty() { powers_up_to(args.samples) } else { args.at.clone() };
    let result = SampledResult::of(&questions, &at, Bootstrap { seed: Seed(recipe.run.seed).fork("task", 0), ..Bootstrap::default() });
    let settings = json!({
        "rows": rows, "samples": args.samples, "sampling": sampling, "rewards": rewards.labels().collect::<Vec<_>>(), "seed": recipe.run.seed,
    });
    let kept = Kept {
        model: keep::model(&recipe.model.path)?,
        against: None,
        data: heldout(&recipe, &split),
        format: split.format.to_owned(),
        settings: settings.as_object().cloned().unwrap_or_default(),
        seconds: start.elapsed().as_secs_f64(),
    };
    let place = args.out.clone().unwrap_or_else(|| keep::default_place(&recipe.model.path, &recipe.run.dir));
    keep::tell(kept, Outcome::Task(result.or_failed()?), &place, json_out)
}

/// The file that the questions come from; a generator has none.
fn heldout(recipe: &Recipe, split: &Split) -> Source {
    let file = recipe.data.heldout.as_ref().or(recipe.data.train.as_ref());
    let path = file.map_or_else(|| format!("<{}>", split.format), |p| p.display().to_string());
    Source { path, hash: split.heldout.digest.clone() }
}

/// All answers, question by question.
fn answered(evaluation: &Evaluation<'_>, model: &collimate_models::Model, total: usize, signals: &Signals) -> Result<Vec<Sample>, Exit> {
    let mut progress = Progress::start("answers", total, signals);
    let mut done = 0;
    let mut going = |generation: Generation<'_>| {
        done += usize::from(matches!(generation, Generation::Done { .. }));
        progress.going(done)
    };
    match evaluation.run(model, &mut Engine::new(), &mut going) {
        Err(_) if signals.asked() => Err(progress.interrupted(done)),
        outcome => Ok(outcome?.samples),
    }
}

fn item(sample: &Sample) -> SampledAnswer {
    SampledAnswer { correct: sample.correct, vote: vote(&sample.answer), score: sample.reward, tokens: sample.tokens as u64 }
}
