//! Speed, beside the machine's own ceilings measured in the same process.

pub mod args;
pub mod ceilings;
pub mod floor;
mod given;
mod grpo;
mod plugin;
mod ppo;
mod rollout;

use std::path::Path;
use std::sync::Arc;

use collimate_datasets::{DataConfig, load};
use collimate_text::Tokenizer;
use collimate_types::{Prompt, RolloutRequest, Sampling, Seed, Task};
use serde_json::{Value, json};

use crate::args::Bench;
use crate::exit::{Code, Exit, OrExit, refused};

/// Runs a benchmark.
pub(crate) fn bench(args: &Bench) -> Result<Code, Exit> {
    match args {
        Bench::Grpo(args) => grpo::bench(args),
        Bench::Sft(args) => given::bench(given::Task::Sft, args),
        Bench::Dpo(args) => given::bench(given::Task::Dpo, args),
        Bench::Ppo(args) => ppo::bench(args),
        Bench::Reward(args) => given::bench(given::Task::Reward, args),
        Bench::Rollout(args) => rollout::bench(args),
        Bench::RewardPlugin(args) => plugin::bench(args),
        Bench::RewardPluginEnd { echo } => plugin::other_end(*echo),
    }
}

/// The first `count` questions of a GSM8K file through the chat template, in file order.
fn questions(tokenizer: &Tokenizer, file: &Path, count: usize) -> Result<Vec<Arc<Prompt>>, Exit> {
    tasks(file, count)?.into_iter().map(|t| tokenizer.prompt(t).map(Arc::new).or_refused()).collect()
}

/// Questions as they stand, without a chat template, so that no two begin alike by design.
fn bare_questions(tokenizer: &Tokenizer, file: &Path, count: usize) -> Result<Vec<Prompt>, Exit> {
    let bare = |task: Arc<Task>| {
        let text = task.text.clone().or_else(|| task.messages.last().map(|m| m.content.clone())).unwrap_or_default();
        let tokens = tokenizer.encode(&text).or_refused()?;
        Ok(Prompt { task, text, tokens })
    };
    tasks(file, count)?.into_iter().map(bare).collect()
}

fn tasks(file: &Path, count: usize) -> Result<Vec<Arc<Task>>, Exit> {
    let config = DataConfig { format: "gsm8k".into(), train: Some(file.into()), heldout_rows: 0, shuffle: false, ..DataConfig::default() };
    let join = |errors: Vec<collimate_datasets::DataError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let split = load(&config, Seed(1)).map_err(join).or_refused()?;
    if split.train.len() < count {
        return Err(refused(format!(
            "{} has {} questions, this benchmark takes {count}; ask for fewer",
            file.display(),
            split.train.len()
        )));
    }
    Ok(split.train.tasks.iter().take(count).cloned().collect())
}

/// A request for every prompt; its numbers are drawn at the address of step and prompt.
fn requests(prompts: &[Arc<Prompt>], group: usize, sampling: &Arc<Sampling>, step: usize) -> Vec<RolloutRequest> {
    let request = |(i, prompt): (usize, &Arc<Prompt>)| RolloutRequest {
        prompt: prompt.clone(),
        group,
        sampling: sampling.clone(),
        seed: Seed(1).fork("rollout", step as u64).fork("prompt", i as u64),
    };
    prompts.iter().enumerate().map(request).collect()
}

/// Median, least and most.
fn spread(values: &[f64]) -> Value {
    let mut sorted = values.to_vec();
    let median = ceilings::median(&mut sorted);
    json!({ "median": median, "min": sorted.first(), "max": sorted.last() })
}
