//! From a recipe to a job: everything is checked before a weight is read.

use std::sync::Arc;

use collimate_algorithms::{Algorithm, Family, KnobError, Method, Needs};
use collimate_datasets::{DataError, Measure, load_as};
use collimate_learners::{LearnerConfig, OptimizerConfig, Schedule, Shape};
use collimate_rewards::RewardSet;
use collimate_types::{FlowPlan, Role, Seed, Task};
use serde_json::Value;

use super::{Job, OnlineJob, Part, RunFiles, given};
use crate::config::{Diagnostics, Loaded, Problem, Recipe};
use crate::exit::{Code, Exit};
use crate::machine;

/// Resolves a recipe.
///
/// # Errors
/// Every fault of algorithm, rewards and data, in one pass, at its place in the recipe.
pub fn build(loaded: &Loaded) -> Result<Job, Diagnostics> {
    let recipe = loaded.recipe.clone().resolve(machine::cores(), machine::free_memory());
    let seed = Seed(recipe.run.seed);
    let mut faults = Vec::new();
    let part = match method(loaded, &recipe) {
        Ok(Method::Online(algorithm)) => online(loaded, &recipe, algorithm, seed, &mut faults),
        Ok(method) => given_part(loaded, &recipe, method, seed, &mut faults),
        Err(problem) => {
            faults.push(*problem);
            // The rest of the recipe is looked at all the same.
            if let Err(mut wrong) = rewards(loaded, &recipe) {
                faults.append(&mut wrong);
            }
            if let Err(mut wrong) = data(loaded, &recipe, |m| load_as::<Task>(&recipe.data, seed.fork("data", 0), m)) {
                faults.append(&mut wrong);
            }
            None
        }
    };
    let Some((part, plan)) = part.filter(|_| faults.is_empty()) else { return Err(faults.into_iter().collect()) };
    let mut job = Job {
        plan,
        seed,
        threads: recipe.run.threads,
        sampling: Arc::new(recipe.sampling()),
        eval_rows: recipe.eval.rows,
        learner: learner(&recipe),
        lora: recipe.lora(),
        tape_bytes: recipe.learner.tape_mb << 20,
        shuffle: recipe.data.shuffle,
        keep: recipe.checkpoint.keep,
        log_rollouts: recipe.log.rollouts_per_step,
        tensorboard: recipe.log.tensorboard,
        files: RunFiles {
            root: recipe.run.dir.clone(),
            name: recipe.run.name.clone(),
            config: recipe.to_toml(),
            model: recipe.model.path.clone(),
        },
        part,
    };
    let heldout = job.data().heldout;
    if job.eval_rows == 0 {
        job.eval_rows = heldout;
    }
    if recipe.eval.every > 0 && heldout == 0 {
        let problem = loaded.problem("eval.every", "there is no held-out row to evaluate on");
        return Err([problem.help("set data.heldout_rows, give data.heldout=FILE, or eval.every=0")].into_iter().collect());
    }
    Ok(job)
}

type Planned = Option<(Part, FlowPlan)>;

/// A run that draws answers.
fn online(loaded: &Loaded, recipe: &Recipe, algorithm: Box<dyn Algorithm>, seed: Seed, faults: &mut Vec<Problem>) -> Planned {
    faults.extend(unmet(loaded, recipe, algorithm.needs()));
    let rewards = rewards(loaded, recipe).map_err(|mut p| faults.append(&mut p)).ok();
    let split = data(loaded, recipe, |m| load_as(&recipe.data, seed.fork("data", 0), m)).map_err(|mut p| faults.append(&mut p)).ok();
    if let (Some(rewards), Some(split)) = (&rewards, &split)
        && let Err(errors) = rewards.check(split.train.tasks.iter().chain(&split.heldout.tasks).map(AsRef::as_ref))
    {
        faults.extend(errors.iter().map(|e| loaded.problem("reward", e.to_string())));
    }
    let plan = online_plan(recipe, algorithm.as_ref());
    let (rewards, split) = (rewards?, split?);
    let part = OnlineJob {
        critic: super::critic::job(recipe, algorithm.as_ref(), &learner(recipe), seed),
        algorithm,
        eval_sampling: Arc::new(recipe.eval_sampling()),
        // The sampler draws without dropout, so its activations are not those of a training pass with it.
        reuse: recipe.learner.reuse_rollout != "off" && recipe.lora().is_none_or(|l| l.dropout == 0.0),
        rewards,
        lanes: collimate_rewards::lanes(&recipe.reward),
        judge_bytes: crate::judges::weight_bytes(&recipe.reward),
        split,
        max_fault_share: recipe.reward_policy.max_fault_share,
    };
    Some((Part::Online(Box::new(part)), plan))
}

/// A run that learns from given data.
fn given_part(loaded: &Loaded, recipe: &Recipe, method: Method, seed: Seed, faults: &mut Vec<Problem>) -> Planned {
    let name = method.card().name;
    if let Some(what) = given::unmet(method.needs()) {
        faults.push(loaded.problem("algorithm.name", format!("`{name}` needs {what}, which a run does not compute")));
    }
    if !recipe.reward.is_empty() {
        let problem = loaded.problem("reward", format!("`{name}` learns from {}: no reward is asked", method.card().family.data()));
        faults.push(problem.help("take the `[[reward]]` tables out of the recipe"));
    }
    if method.card().family == Family::Comparisons && recipe.lora.rank > 0 {
        let problem = loaded.problem("lora.rank", format!("`{name}` trains a new head besides, which an adapter's files do not hold"));
        faults.push(problem.help("set lora.rank = 0"));
    }
    let mut roles = vec![Role::Learner];
    roles.extend(method.needs().reference.then_some(Role::Reference));
    let mut bounded = recipe.clone();
    if recipe.learner.max_length > 0 {
        // A prompt that fills a row leaves nothing to learn: such rows are left out, and counted.
        let most = recipe.learner.max_length.saturating_sub(1).max(1);
        let data = &mut bounded.data.max_prompt_tokens;
        *data = if *data == 0 { most } else { most.min(*data) };
    }
    let part = data(loaded, &bounded, |m| given::given(method, &bounded, seed.fork("data", 0), m));
    let part = part.map_err(|mut p| faults.append(&mut p)).ok()?;
    let plan = FlowPlan {
        roles,
        steps: recipe.run.steps,
        prompts_per_step: recipe.learner.rows,
        group_size: 1,
        slots: 1,
        drop_groups_without_spread: false,
        max_refills: 0,
        max_staleness: 0,
        eval_every: recipe.eval.every,
        save_every: recipe.checkpoint.every,
        check_every: 0,
    };
    Some((Part::Given(part), plan))
}

/// The data; where a rule counts tokens, by the tokenizer of the model that is trained.
fn data<S>(
    loaded: &Loaded,
    recipe: &Recipe,
    load: impl FnOnce(Option<&dyn Measure>) -> Result<S, Vec<DataError>>,
) -> Result<S, Vec<Problem>> {
    let counted = recipe.data.max_prompt_tokens > 0 || recipe.data.max_tokens > 0;
    let tokenizer = match counted.then(|| crate::session::open_tokenizer(&recipe.model.path)).transpose() {
        Ok(tokenizer) => tokenizer,
        Err(exit) => return Err(vec![loaded.problem("model.path", exit.to_string())]),
    };
    let measure = tokenizer.as_ref().map(crate::measure::Counter);
    load(measure.as_ref().map(|m| m as &dyn Measure)).map_err(|errors| {
        let problem = |e: &DataError| match e {
            DataError::Setting { key, .. } => loaded.problem(&format!("data.{key}"), e.to_string()),
            _ => loaded.problem("data", e.to_string()),
        };
        errors.iter().map(problem).collect()
    })
}

fn method(loaded: &Loaded, recipe: &Recipe) -> Result<Method, Box<Problem>> {
    let knobs = Value::Object(recipe.algorithm.knobs.clone());
    collimate_algorithms::method(&recipe.algorithm.name, &knobs).map_err(|error| {
        let key = match error.knob() {
            Some(knob) => format!("algorithm.{knob}"),
            None => "algorithm.name".into(),
        };
        let help = match &error {
            KnobError::UnknownAlgorithm { .. } => "`collimate algorithms` lists them".to_owned(),
            _ => format!("`collimate algorithms {}` lists every knob with its default", recipe.algorithm.name),
        };
        Box::new(loaded.problem(&key, error.to_string()).help(help))
    })
}

/// What an online algorithm needs and a run does not compute: the key to change, the thing, and what to choose instead.
fn unmet(loaded: &Loaded, recipe: &Recipe, needs: Needs) -> Option<Problem> {
    let name = "algorithm.name";
    let all = [(needs.teacher, name, "a teacher's log-probabilities", "choose an algorithm without a teacher")];
    let (_, key, what, mend) = all.into_iter().find(|(needed, ..)| *needed)?;
    let text = format!("`{}` needs {what}, which a run does not compute", recipe.algorithm.name);
    Some(loaded.problem(key, text).help(mend))
}

fn rewards(loaded: &Loaded, recipe: &Recipe) -> Result<RewardSet, Vec<Problem>> {
    let problem =
        |e: &collimate_rewards::RewardError| loaded.problem("reward", e.to_string()).help("`collimate rewards NAME` lists every knob");
    let specs = collimate_rewards::with_logs(&recipe.reward, &recipe.run.dir.join(&recipe.run.name));
    crate::judges::build(&specs).map_err(|errors| errors.iter().map(problem).collect())
}

fn online_plan(recipe: &Recipe, algorithm: &dyn Algorithm) -> FlowPlan {
    let needs = algorithm.needs();
    let mut roles = vec![Role::Actor, Role::Learner, Role::Reward];
    if needs.reference {
        roles.push(Role::Reference);
    }
    if needs.values {
        roles.push(Role::Critic);
    }
    FlowPlan {
        roles,
        steps: recipe.run.steps,
        prompts_per_step: recipe.rollout.prompts,
        group_size: recipe.rollout.group,
        slots: recipe.rollout.slots,
        drop_groups_without_spread: needs.groups_with_spread,
        max_refills: recipe.rollout.refills,
        max_staleness: 0,
        eval_every: recipe.eval.every,
        save_every: recipe.checkpoint.every,
        check_every: recipe.sampling.check_every,
    }
}

/// A schedule by its name; names are checked when the recipe is read.
pub(super) fn shape(name: &str) -> Shape {
    match name {
        "linear" => Shape::Linear,
        "cosine" => Shape::Cosine,
        "wsd" => Shape::Wsd,
        _ => Shape::Constant,
    }
}

fn learner(recipe: &Recipe) -> LearnerConfig {
    let l = &recipe.learner;
    let updates = u64::from(l.epochs) * l.minibatches as u64;
    LearnerConfig {
        epochs: l.epochs,
        minibatches: l.minibatches,
        micro_tokens: l.micro_tokens,
        max_new_tokens: recipe.sampling.max_new_tokens,
        max_skips: l.max_skips,
        optimizer: OptimizerConfig { betas: (l.betas[0], l.betas[1]), eps: l.eps, weight_decay: l.weight_decay, clip_grad: l.clip_grad },
        schedule: Schedule {
            shape: shape(&l.schedule),
            lr: l.lr,
            warmup: l.warmup_steps,
            total: recipe.run.steps * updates,
            min_ratio: l.min_lr_ratio,
            decay_share: l.decay_share,
        },
    }
}

/// A list of faults as the end of the command: rendered, with code 2.
#[must_use]
pub fn refuse(faults: &Diagnostics, json: bool) -> Exit {
    use std::io::IsTerminal;
    let text = if json {
        faults.to_json().to_string()
    } else {
        faults.render(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
    };
    crate::session::say(text.trim_end());
    Exit { code: Code::Refused, message: None }
}
