//! `collimate eval task`: accuracy on held-out questions.

use std::sync::Arc;

use collimate_actors::Engine;
use collimate_datasets::load as load_data;
use collimate_rewards::RewardSet;
use collimate_types::Seed;
use serde_json::json;

use crate::args::{Eval, EvalTaskArgs};
use crate::config::{Diagnostics, Layer, Purpose, load};
use crate::exit::{Code, Exit, refused};
use crate::run::{Evaluation, refuse};
use crate::{machine, session};

/// Measures a model.
pub(crate) fn eval(args: &Eval) -> Result<Code, Exit> {
    let Eval::Task(args) = args;
    task(args)
}

fn task(args: &EvalTaskArgs) -> Result<Code, Exit> {
    let json_out = args.recipe.json;
    let mut parts = args.recipe.parts.clone();
    if let Some(model) = &args.model {
        parts.push(format!("model.path={}", model.display()));
    }
    let loaded = load(&Layer::from_arguments(&parts), Purpose::Evaluate).map_err(|d| refuse(&d, json_out))?;
    let recipe = loaded.recipe.clone().resolve(machine::cores(), machine::free_memory());
    let rewards = RewardSet::build(&recipe.reward);
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
    let rows = args.rows.unwrap_or(if recipe.eval.rows == 0 { split.heldout.len() } else { recipe.eval.rows }).min(split.heldout.len());
    session::start_libtorch(recipe.run.threads);
    let opened = session::open_model(&recipe.model.path)?;
    let model = session::load(&opened.source)?;
    let evaluation = Evaluation {
        tokenizer: &opened.tokenizer,
        rewards: &rewards,
        lanes: collimate_rewards::lanes(&recipe.reward),
        tasks: &split.heldout.tasks[..rows],
        sampling: Arc::new(recipe.eval_sampling()),
        slots: recipe.rollout.slots,
    };
    let start = std::time::Instant::now();
    let result = evaluation.run(&model, &mut Engine::new(), &mut || true)?;
    let seconds = start.elapsed().as_secs_f64();
    if json_out {
        let line = json!({
            "eval": "task", "accuracy": result.task.accuracy, "interval": result.task.interval, "n": result.task.n, "correct": result.task.correct,
            "unscorable": result.task.unscorable, "reward": result.reward, "model": recipe.model.path, "format": split.format,
            "data": split.heldout.digest, "seconds": seconds, "tokens": result.tokens,
        });
        session::print(&line.to_string())?;
    } else {
        session::print(&format!("{}  mean reward {:.3}", result.task, result.reward))?;
    }
    Ok(Code::Done)
}
