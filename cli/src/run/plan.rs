//! What a run will be: the batch algebra, data, memory. Nothing is written.

use collimate_models::KvCache;
use serde_json::{Value, json};
use tch::Kind;

use super::{Job, OnlineJob, Part, Reference};
use crate::exit::{Exit, refused};
use crate::machine;
use crate::session::Opened;

/// Prompts that are measured at most: their lengths stand for the rest.
const MEASURED: usize = 2000;

/// Lengths in tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    /// On average.
    pub(crate) mean: f64,
    /// At most.
    pub(crate) max: usize,
}

/// The plan as JSON; the text for people is made from it.
///
/// # Errors
/// When a prompt or a row cannot be rendered.
pub(crate) fn plan(job: &Job, opened: &Opened) -> Result<Value, Exit> {
    let data = job.data();
    let updates = u64::from(job.learner.epochs) * job.learner.minibatches as u64;
    let (mut batch, lengths) = match &job.part {
        Part::Online(part) => {
            let lengths = prompts(part, opened)?;
            (online_batch(job, lengths), lengths)
        }
        Part::Given(part) => {
            let lengths = part.lengths(opened, MEASURED)?;
            (given_batch(job, lengths), lengths)
        }
    };
    batch["optimizer_steps_per_step"] = json!(updates);
    batch["optimizer_steps"] = json!(updates * job.plan.steps);
    let memory = memory(job, opened, lengths);
    let total: u64 = memory.iter().map(|(_, bytes)| bytes).sum();
    let (rewards, reuse): (Vec<&str>, _) = match &job.part {
        Part::Online(part) => (part.rewards.labels().collect(), Some(part.reuse)),
        Part::Given(_) => (Vec::new(), None),
    };
    Ok(json!({
        "run": job.files.name, "model": job.files.model, "algorithm": job.card().name, "rewards": rewards, "seed": job.seed,
        "learns_from": job.card().family.data(), "threads": job.threads, "steps": job.plan.steps, "batch": batch,
        "data": { "format": data.format, "train": data.train, "heldout": data.heldout, "overlap": data.overlap,
                  "left_out": data.counts.left_out, "notes": data.counts.notes, "rejected": data.rejected.len(),
                  "epochs": (job.plan.steps as f64 * job.plan.prompts_per_step as f64) / data.train as f64 },
        "memory_mb": memory.iter().map(|(name, bytes)| ((*name).to_owned(), json!(bytes >> 20))).collect::<serde_json::Map<_, _>>(),
        "memory_total_mb": total >> 20, "memory_free_mb": machine::free_memory().map(|b| b >> 20),
        "micro_tokens": job.learner.micro_tokens, "slots": job.plan.slots, "tape_mb": job.tape_bytes >> 20, "reuse_rollout": reuse,
        "lora": job.lora,
    }))
}

fn online_batch(job: &Job, prompts: Lengths) -> Value {
    let (p, g, new) = (job.plan.prompts_per_step, job.plan.group_size, job.sampling.max_new_tokens);
    let tokens = p as f64 * (prompts.mean + (g * new) as f64);
    json!({
        "prompts": p, "group": g, "sequences": p * g, "prompt_tokens_mean": prompts.mean, "prompt_tokens_max": prompts.max,
        "max_new_tokens": new, "tokens_at_most": tokens, "micro_batches_at_most": (tokens / job.learner.micro_tokens as f64).ceil(),
    })
}

fn given_batch(job: &Job, rows: Lengths) -> Value {
    let tokens = job.plan.prompts_per_step as f64 * rows.mean;
    json!({
        "rows": job.plan.prompts_per_step, "row_tokens_mean": rows.mean, "row_tokens_max": rows.max, "tokens": tokens,
        "micro_batches": (tokens / job.learner.micro_tokens as f64).ceil(),
    })
}

fn prompts(part: &OnlineJob, opened: &Opened) -> Result<Lengths, Exit> {
    let (mut sum, mut max, mut n) = (0, 0, 0);
    for task in part.split.train.tasks.iter().chain(&part.split.heldout.tasks).take(MEASURED) {
        let prompt = opened.tokenizer.prompt(task.clone()).map_err(|e| refused(e.to_string()))?;
        sum += prompt.tokens.len();
        max = max.max(prompt.tokens.len());
        n += 1;
    }
    Ok(Lengths { mean: sum as f64 / f64::from(n.max(1)), max })
}

/// Bytes by what they are for.
fn memory(job: &Job, opened: &Opened, lengths: Lengths) -> Vec<(&'static str, u64)> {
    let config = &opened.source.config;
    let weights = opened.source.weight_bytes() as u64;
    // What a decoder layer keeps of a row: input, q, k and v, gate and up.
    let layer = config.hidden + (config.heads + 2 * config.kv_heads) * config.head_dim + 2 * config.intermediate;
    let row = (config.layers as i64 * layer * 4) as u64;
    let trained = super::weights::trained_bytes(job, &opened.source);
    let adapters = if job.lora.is_some() { trained } else { 0 };
    let mut all = vec![("weights", weights), ("adapters", adapters), ("gradients", trained), ("moments", 2 * trained)];
    let (reference, kept, head_rows) = match &job.part {
        Part::Online(part) => {
            let (slots, new) = (job.plan.slots, job.sampling.max_new_tokens);
            let completions = (job.plan.prompts_per_step * job.plan.group_size * new) as f64;
            let rows = job.plan.prompts_per_step as f64 * lengths.mean + completions;
            let kept = if part.reuse {
                rows * row as f64 + completions * (config.vocab * 4) as f64
            } else {
                job.learner.micro_tokens as f64 * row as f64
            };
            all.push(("kv_cache", KvCache::bytes(config, Kind::Float, slots, new) as u64));
            // Its weights, gradient and moments; it is of the policy's size unless another model is named, whose files tell.
            let critic = part.critic.as_ref().map_or(0, |c| {
                let own = crate::session::model_dir(&c.init).ok().and_then(|dir| collimate_models::open(&dir).ok());
                4 * own.map_or(weights, |s| s.weight_bytes() as u64)
            });
            all.extend([("critic", critic), ("reward_models", part.judge_bytes)]);
            (part.algorithm.needs().reference, kept, slots)
        }
        Part::Given(part) => {
            let step = (job.plan.prompts_per_step as f64 * lengths.mean).min(job.learner.micro_tokens as f64).max(lengths.max as f64);
            (part.reference() == Reference::EveryStep, step * row as f64, 0)
        }
    };
    all.push(("reference", if reference && job.lora.is_none() { weights } else { 0 }));
    all.push(("activations", (kept as u64).min(job.tape_bytes as u64)));
    all.push(("logits", (head_rows.max(256) as i64 * config.vocab * 4) as u64));
    all
}

/// Refuses what cannot fit: memory, and prompts that leave no room for an answer.
///
/// # Errors
/// With code 2.
pub(crate) fn check_context(job: &Job, opened: &Opened) -> Result<(), Exit> {
    let context = opened.source.config.max_positions;
    let lengths = match &job.part {
        Part::Online(part) => {
            let prompts = prompts(part, opened)?;
            if prompts.max + 1 > context {
                let message = format!(
                    "the longest prompt has {} tokens, the model's context {context}; filter long rows out with data.max_prompt_tokens, or choose another model",
                    prompts.max
                );
                return Err(refused(message));
            }
            prompts
        }
        Part::Given(part) => part.lengths(opened, MEASURED)?,
    };
    let total: u64 = memory(job, opened, lengths).iter().map(|(_, b)| b).sum();
    let Some(free) = machine::free_memory().filter(|free| total > *free) else { return Ok(()) };
    let mend = match &job.part {
        Part::Online(_) => {
            format!("lower learner.tape_mb ({}), rollout.slots ({}) or sampling.max_new_tokens", job.tape_bytes >> 20, job.plan.slots)
        }
        Part::Given(_) => {
            format!("lower learner.micro_tokens ({}) or learner.tape_mb ({})", job.learner.micro_tokens, job.tape_bytes >> 20)
        }
    };
    Err(refused(format!("the run needs about {} MB of memory and {} MB are free; {mend}", total >> 20, free >> 20)))
}

/// The lines of the batch.
fn batch_text(plan: &Value) -> String {
    let b = &plan["batch"];
    let round = |v: &Value| v.as_f64().map_or(0.0, f64::round);
    let updates = format!("{} optimizer steps a step, {} in all", b["optimizer_steps_per_step"], b["optimizer_steps"]);
    if b["rows"].is_number() {
        return format!(
            "batch      {} rows; about {} tokens in {} micro-batches of {} -> {updates}\n\
             rows       {:.1} tokens on average, {} at most",
            b["rows"],
            round(&b["tokens"]),
            round(&b["micro_batches"]),
            plan["micro_tokens"],
            b["row_tokens_mean"].as_f64().unwrap_or_default(),
            b["row_tokens_max"],
        );
    }
    format!(
        "batch      {} prompts x {} answers = {} sequences; at most {} tokens in {} micro-batches of {} -> {updates}\n\
         prompts    {:.1} tokens on average, {} at most; answers of at most {} tokens",
        b["prompts"],
        b["group"],
        b["sequences"],
        round(&b["tokens_at_most"]),
        round(&b["micro_batches_at_most"]),
        plan["micro_tokens"],
        b["prompt_tokens_mean"].as_f64().unwrap_or_default(),
        b["prompt_tokens_max"],
        b["max_new_tokens"],
    )
}

/// The plan for people.
#[must_use]
pub(crate) fn text(plan: &Value) -> String {
    let d = &plan["data"];
    let memory = plan["memory_mb"].as_object().map(|m| m.iter().map(|(k, v)| format!("{k} {v}")).collect::<Vec<_>>().join(", "));
    let counted = |key: &str, word: &str| {
        let lines = d[key].as_object().into_iter().flatten().map(|(name, rows)| format!("\n           {rows} {word}: {name}"));
        lines.collect::<String>()
    };
    let rows = counted("left_out", "left out") + &counted("notes", "kept");
    let rewards = plan["rewards"].as_array().map(|r| r.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "));
    let taught = match rewards.filter(|r| !r.is_empty()) {
        Some(rewards) => format!("rewards: {rewards}"),
        None => format!("learns from {}", plan["learns_from"].as_str().unwrap_or_default()),
    };
    format!(
        "run        {} ({} steps, seed {}, {} threads)\n\
         model      {}\n\
         algorithm  {}; {taught}\n\
         {}\n\
         data       {} ({}): {} to train on ({:.2} epochs), {} held out, {} in both{rows}\n\
         memory     about {} MB ({}); {} MB free",
        plan["run"].as_str().unwrap_or_default(),
        plan["steps"],
        plan["seed"],
        plan["threads"],
        plan["model"].as_str().unwrap_or_default(),
        plan["algorithm"].as_str().unwrap_or_default(),
        batch_text(plan),
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
