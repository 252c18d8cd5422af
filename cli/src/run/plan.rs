//! What a run will be: the batch algebra, data, memory. Nothing is written.

use collimate_models::KvCache;
use serde_json::{Value, json};
use tch::Kind;

use super::Job;
use crate::exit::{Exit, refused};
use crate::machine;
use crate::session::Opened;

/// Prompts that are measured at most: their lengths stand for the rest.
const MEASURED: usize = 2000;

/// Lengths of the prompts, in tokens.
#[derive(Debug, Clone, Copy)]
struct Lengths {
    mean: f64,
    max: usize,
}

/// The plan as JSON; the text for people is made from it.
///
/// # Errors
/// When a prompt cannot be rendered.
pub(crate) fn plan(job: &Job, opened: &Opened) -> Result<Value, Exit> {
    let prompts = lengths(job, opened)?;
    let (p, g) = (job.plan.prompts_per_step, job.plan.group_size);
    let new = job.sampling.max_new_tokens;
    let tokens = p as f64 * (prompts.mean + (g * new) as f64);
    let micro = (tokens / job.learner.micro_tokens as f64).ceil();
    let updates = u64::from(job.learner.epochs) * job.learner.minibatches as u64;
    let memory = memory(job, opened, prompts);
    let total: u64 = memory.iter().map(|(_, bytes)| bytes).sum();
    let rewards: Vec<&str> = job.rewards.labels().collect();
    Ok(json!({
        "run": job.files.name, "model": job.files.model, "algorithm": job.algorithm.card().name, "rewards": rewards, "seed": job.seed,
        "threads": job.threads, "steps": job.plan.steps,
        "batch": {
            "prompts": p, "group": g, "sequences": p * g, "prompt_tokens_mean": prompts.mean, "prompt_tokens_max": prompts.max,
            "max_new_tokens": new, "tokens_at_most": tokens, "micro_batches_at_most": micro, "optimizer_steps_per_step": updates,
            "optimizer_steps": updates * job.plan.steps,
        },
        "data": { "format": job.split.format, "train": job.split.train.len(), "heldout": job.split.heldout.len(), "overlap": job.split.overlap,
                  "left_out": job.split.counts.left_out, "notes": job.split.counts.notes, "rejected": job.split.rejected.len(),
                  "epochs": (job.plan.steps as f64 * p as f64) / job.split.train.len() as f64 },
        "memory_mb": memory.iter().map(|(name, bytes)| ((*name).to_owned(), json!(bytes >> 20))).collect::<serde_json::Map<_, _>>(),
        "memory_total_mb": total >> 20, "memory_free_mb": machine::free_memory().map(|b| b >> 20),
        "micro_tokens": job.learner.micro_tokens, "slots": job.plan.slots, "tape_mb": job.tape_bytes >> 20, "reuse_rollout": job.reuse,
        "lora": job.lora,
    }))
}

fn lengths(job: &Job, opened: &Opened) -> Result<Lengths, Exit> {
    let (mut sum, mut max, mut n) = (0, 0, 0);
    for task in job.split.train.tasks.iter().chain(&job.split.heldout.tasks).take(MEASURED) {
        let prompt = opened.tokenizer.prompt(task.clone()).map_err(|e| refused(e.to_string()))?;
        sum += prompt.tokens.len();
        max = max.max(prompt.tokens.len());
        n += 1;
    }
    Ok(Lengths { mean: sum as f64 / f64::from(n.max(1)), max })
}

/// Bytes by what they are for.
fn memory(job: &Job, opened: &Opened, prompts: Lengths) -> Vec<(&'static str, u64)> {
    let config = &opened.source.config;
    let weights = opened.source.weight_bytes() as u64;
    // What a decoder layer keeps of a row: input, q, k and v, gate and up.
    let layer = config.hidden + (config.heads + 2 * config.kv_heads) * config.head_dim + 2 * config.intermediate;
    let row = (config.layers as i64 * layer * 4) as u64;
    let slots = job.plan.slots;
    let completions = (job.plan.prompts_per_step * job.plan.group_size * job.sampling.max_new_tokens) as f64;
    let rows = job.plan.prompts_per_step as f64 * prompts.mean + completions;
    let kept =
        if job.reuse { rows * row as f64 + completions * (config.vocab * 4) as f64 } else { job.learner.micro_tokens as f64 * row as f64 };
    let trained = super::weights::trained_bytes(job, &opened.source);
    let reference = if job.algorithm.needs().reference && job.lora.is_none() { weights } else { 0 };
    vec![
        ("weights", weights),
        ("adapters", if job.lora.is_some() { trained } else { 0 }),
        ("gradients", trained),
        ("moments", 2 * trained),
        ("reference", reference),
        ("activations", (kept as u64).min(job.tape_bytes as u64)),
        ("kv_cache", KvCache::bytes(config, Kind::Float, slots, job.sampling.max_new_tokens) as u64),
        ("logits", (slots.max(256) as i64 * config.vocab * 4) as u64),
    ]
}

/// Refuses what cannot fit: memory, and prompts that leave no room for an answer.
///
/// # Errors
/// With code 2.
pub(crate) fn check_context(job: &Job, opened: &Opened) -> Result<(), Exit> {
    let prompts = lengths(job, opened)?;
    let context = opened.source.config.max_positions;
    if prompts.max + 1 > context {
        let message = format!(
            "the longest prompt has {} tokens, the model's context {context}; filter long rows out with data.max_prompt_tokens, or choose another model",
            prompts.max
        );
        return Err(refused(message));
    }
    let total: u64 = memory(job, opened, prompts).iter().map(|(_, b)| b).sum();
    if let Some(free) = machine::free_memory().filter(|free| total > *free) {
        let message = format!(
            "the run needs about {} MB of memory and {} MB are free; lower learner.tape_mb ({}), rollout.slots ({}) or sampling.max_new_tokens",
            total >> 20,
            free >> 20,
            job.tape_bytes >> 20,
            job.plan.slots
        );
        return Err(refused(message));
    }
    Ok(())
}

/// The plan for people.
#[must_use]
pub(crate) fn text(plan: &Value) -> String {
    let b = &plan["batch"];
    let d = &plan["data"];
    let memory = plan["memory_mb"].as_object().map(|m| m.iter().map(|(k, v)| format!("{k} {v}")).collect::<Vec<_>>().join(", "));
    let round = |v: &Value| v.as_f64().map_or(0.0, f64::round);
    let counted = |key: &str, word: &str| {
        let lines = d[key].as_object().into_iter().flatten().map(|(name, rows)| format!("\n           {rows} {word}: {name}"));
        lines.collect::<String>()
    };
    let rows = counted("left_out", "left out") + &counted("notes", "kept");
    format!(
        "run        {} ({} steps, seed {}, {} threads)\n\
         model      {}\n\
         algorithm  {}; rewards: {}\n\
         batch      {} prompts x {} answers = {} sequences; at most {} tokens in {} micro-batches of {} -> {} optimizer steps a step, {} in all\n\
         prompts    {:.1} tokens on average, {} at most; answers of at most {} tokens\n\
         data       {} ({}): {} to train on ({:.2} epochs), {} held out, {} in both{rows}\n\
         memory     about {} MB ({}); {} MB free",
        plan["run"].as_str().unwrap_or_default(),
        plan["steps"],
        plan["seed"],
        plan["threads"],
        plan["model"].as_str().unwrap_or_default(),
        plan["algorithm"].as_str().unwrap_or_default(),
        plan["rewards"].as_array().map(|r| r.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")).unwrap_or_default(),
        b["prompts"],
        b["group"],
        b["sequences"],
        round(&b["tokens_at_most"]),
        round(&b["micro_batches_at_most"]),
        plan["micro_tokens"],
        b["optimizer_steps_per_step"],
        b["optimizer_steps"],
        b["prompt_tokens_mean"].as_f64().unwrap_or_default(),
        b["prompt_tokens_max"],
        b["max_new_tokens"],
        d["format"].as_str().unwrap_or_default(),
        if d["epochs"].as_f64().is_some_and(|e| e > 1.0) { "rows repeat" } else { "no row repeats" },
        d["train"],
        d["epochs"].as_f64().unwrap_or_default(),
        d["heldout"],
        d["overlap"],
        plan["memory_total_mb"],
        memory.unwrap_or_default(),
        plan["memory_free_mb"],
    )
}
