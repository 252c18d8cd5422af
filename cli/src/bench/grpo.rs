//! `collimate bench grpo`: whole GRPO steps on GSM8K questions.
//!
//! Algorithm grpo, beta 0, no reference, lr 1e-6, clipping at 1.0, temperature 1 over the whole vocabulary, end of sequence suppressed, the
//! model's default system prompt. The reward is the number of different characters of an answer, as in TRL's benchmark.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use collimate_actors::{Engine, mismatch};
use collimate_algorithms::{AlgoState, Algorithm, build};
use collimate_learners::{LearnerConfig, OptimizerConfig, PolicyLearner, Schedule, Shape, Told, credit};
use collimate_models::{Model, Recording, Tape};
use collimate_rewards::RewardSet;
use collimate_text::Tokenizer;
use collimate_types::{Answer, Prompt, RolloutGroup, Sampling, ScoredGroup, Seed};
use serde_json::{Value, json};

use crate::args::BenchGrpoArgs;
use crate::bench::{
    ceilings::{self, Ceilings},
    floor::Floor,
    questions, requests, spread,
};
use crate::config::{LoraSection, Recipe};
use crate::exit::{Code, Exit, OrExit, refused};
use crate::{machine, session, trace};

/// Seconds of one step by phase.
#[derive(Debug, Clone, Copy, Default)]
struct Phases {
    generate: f64,
    score: f64,
    forward_backward: f64,
    optimizer: f64,
    whole: f64,
}

struct Bench<'a> {
    args: &'a BenchGrpoArgs,
    model: &'a Model,
    tokenizer: &'a Tokenizer,
    algorithm: Box<dyn Algorithm>,
    learner: PolicyLearner,
    rewards: RewardSet,
    engine: Engine,
    recording: Recording,
    sampling: Arc<Sampling>,
}

pub(super) fn bench(args: &BenchGrpoArgs) -> Result<Code, Exit> {
    if args.prompts == 0 || args.group < 2 || args.new_tokens == 0 || args.learning.steps == 0 {
        return Err(refused("--prompts, --new-tokens and --steps must be 1 or more, --group 2 or more"));
    }
    let _trace = trace::start(args.on.trace.as_deref())?;
    let threads = session::start_libtorch(args.on.threads);
    let opened = session::open_model(&args.on.model)?;
    let prompts = questions(&opened.tokenizer, &args.data, args.prompts * (args.learning.steps + 1))?;
    let model = match args.lora {
        0 => session::load(&opened.source)?,
        rank => {
            let recipe = Recipe { lora: LoraSection { rank, alpha: 2.0 * rank as f64, ..LoraSection::default() }, ..Recipe::default() };
            let config = recipe.lora().unwrap_or_else(|| unreachable!("a rank above 0 is an adapter"));
            let mut model = session::load(&opened.source)?;
            opened.source.adapt(&mut model, &config, Seed(1)).or_model()?;
            model
        }
    };
    let mut bench = Bench::new(args, &model, &opened.tokenizer)?;
    let before = Ceilings::measure();
    let (mut phases, mut batches, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for step in 0..=args.learning.steps {
        let start = machine::minor_faults();
        let (spent, groups) = bench.step(step, &prompts[step * args.prompts..(step + 1) * args.prompts])?;
        if !args.on.json {
            session::say(&format!("step {step}: {:.2} s ({spent:?})", spent.whole));
        }
        // The first step warms up: buffers are made, pages are faulted in.
        if step > 0 {
            phases.push(spent);
            batches.push(groups);
            faults.push((machine::minor_faults() - start) as f64);
        }
    }
    let peak = machine::peak_rss_mb(); // before the ceilings' own buffers
    let ceilings = Ceilings::median(&[before, Ceilings::measure()]);
    let check = mismatch_of(&mut bench, &prompts[..1])?;
    session::print(&report(args, threads, &model, (&phases, &batches, &faults), ceilings, (peak, &check)).to_string())?;
    Ok(Code::Done)
}

impl<'a> Bench<'a> {
    fn new(args: &'a BenchGrpoArgs, model: &'a Model, tokenizer: &'a Tokenizer) -> Result<Self, Exit> {
        let schedule = Schedule {
            shape: Shape::Constant,
            lr: 1e-6,
            warmup: 0,
            total: args.learning.steps as u64 + 1,
            min_ratio: 0.0,
            decay_share: 0.0,
        };
        let optimizer = OptimizerConfig { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, clip_grad: 1.0 };
        let config = LearnerConfig {
            epochs: 1,
            minibatches: 1,
            micro_tokens: args.learning.micro_tokens,
            max_new_tokens: args.new_tokens,
            max_skips: 3,
            optimizer,
            schedule,
        };
        let distinct = |_: &Prompt, a: &Answer<'_>| a.text.chars().collect::<HashSet<char>>().len() as f64;
        let sampling = Sampling { max_new_tokens: args.new_tokens, min_new_tokens: args.new_tokens, ..Sampling::default() };
        Ok(Self {
            args,
            model,
            tokenizer,
            algorithm: build("grpo", &json!({})).or_failed()?,
            learner: PolicyLearner::new(model, config),
            rewards: RewardSet::of("distinct", distinct),
            engine: Engine::new(),
            recording: match (args.no_reuse, args.learning.tape_mb) {
                (true, 0) => Recording::off(Tape::new()),
                (true, mb) => Recording::off(Tape::with_limit(mb << 20)),
                (false, 0) => Recording::new(),
                (false, mb) => Recording::with_limit(mb << 20),
            },
            sampling: Arc::new(sampling),
        })
    }

    fn generate(&mut self, step: usize, prompts: &[Arc<Prompt>]) -> Result<Vec<RolloutGroup>, Exit> {
        let requests = requests(prompts, self.args.group, &self.sampling, step);
        let slots = self.args.group * prompts.len();
        let (parts, recording) = ((self.model, self.tokenizer), &mut self.recording);
        self.engine.record(parts, &requests, slots, step as u64, recording, &mut |_| true).or_failed()
    }

    fn step(&mut self, step: usize, prompts: &[Arc<Prompt>]) -> Result<(Phases, Vec<RolloutGroup>), Exit> {
        let _span = tracing::trace_span!("step").entered();
        let start = Instant::now();
        let groups = tracing::trace_span!("generate").in_scope(|| self.generate(step, prompts))?;
        let generate = start.elapsed().as_secs_f64();
        let scored: Vec<ScoredGroup> = groups.iter().map(|g| self.rewards.score(g.clone())).collect();
        let batch = credit(self.algorithm.as_ref(), &mut AlgoState::default(), &scored, Told::default(), 1.0).or_failed()?;
        self.engine.release();
        let score = start.elapsed().as_secs_f64() - generate;
        let report = self
            .learner
            .step((self.model, None), self.algorithm.as_ref(), &batch, (step as u64, step as u64), &mut self.recording)
            .or_failed()?;
        let whole = start.elapsed().as_secs_f64();
        let optimizer = report.metrics.get("time/optimizer").unwrap_or(0.0);
        Ok((Phases { generate, score, forward_backward: whole - generate - score - optimizer, optimizer, whole }, groups))
    }
}

/// The sampler against the packed forward on the present weights.
fn mismatch_of(bench: &mut Bench<'_>, prompts: &[Arc<Prompt>]) -> Result<Value, Exit> {
    let groups = bench.generate(usize::MAX, prompts)?;
    let found = mismatch(bench.model, &groups[0], 1.0).or_failed()?;
    Ok(json!({ "logp_diff_max": found.max, "logp_diff_p999": found.p999, "kl": found.kl, "tokens": found.tokens }))
}

fn report(
    args: &BenchGrpoArgs,
    threads: usize,
    model: &Model,
    (phases, batches, faults): (&[Phases], &[Vec<RolloutGroup>], &[f64]),
    ceilings: Ceilings,
    (peak_rss_mb, sampling): (f64, &Value),
) -> Value {
    let of = |pick: fn(&Phases) -> f64| ceilings::median(&mut phases.iter().map(pick).collect::<Vec<_>>());
    let whole: Vec<f64> = phases.iter().map(|p| p.whole).collect();
    let step_s = spread(&whole);
    let tokens = (args.prompts * args.group * args.new_tokens) as f64;
    let median = of(|p| p.whole);
    let mut floors: Vec<f64> = batches.iter().map(|g| Floor::of(&model.config, g, ceilings, !args.no_reuse).seconds).collect();
    let floor_s = ceilings::median(&mut floors);
    let other = of(|p| p.whole - p.generate - p.score - p.forward_backward - p.optimizer);
    json!({
        "bench": "grpo", "prompts": args.prompts, "group": args.group, "new_tokens": args.new_tokens, "steps": args.learning.steps, "threads": threads,
        "step_s": step_s,
        "phases": {
            "generate": of(|p| p.generate), "score": of(|p| p.score), "forward_backward": of(|p| p.forward_backward),
            "optimizer": of(|p| p.optimizer), "other": other,
        },
        "tokens_per_s": tokens / median, "peak_rss_mb": peak_rss_mb, "page_faults_per_step": ceilings::median(&mut faults.to_vec()),
        "sgemm_gflops": ceilings.sgemm_gflops, "read_gbs": ceilings.read_gbs, "floor_s": floor_s, "fraction_of_floor": floor_s / median,
        "sampling": sampling,
    })
}
