//! `collimate bench ppo`: whole PPO steps on GSM8K questions.
//!
//! The policy, a frozen reference, a critic with the policy's trunk, and a reward model with a fresh head on the same trunk, all in one
//! process: answers are drawn, scored by the reward model, valued by the critic, compared with the reference (KL in the reward, 0.05), and
//! both the policy and the critic make one update (lr 1e-6, clipping at 1.0). Temperature 1 over the whole vocabulary, end of sequence
//! suppressed, the model's default system prompt.

use std::sync::Arc;
use std::time::Instant;

use collimate_actors::{Engine, RewardModel};
use collimate_algorithms::{AlgoState, Algorithm, build};
use collimate_learners::{CriticConfig, CriticLearner, LearnerConfig, OptimizerConfig, PolicyLearner, Schedule, Shape, Told, credit};
use collimate_models::{Fresh, Model, Recording, ScoreModel};
use collimate_rewards::RewardSet;
use collimate_text::Tokenizer;
use collimate_types::{Prompt, RolloutGroup, Sampling, ScoredGroup, Seed};
use serde_json::{Value, json};
use tch::Kind;

use crate::bench::args::BenchPpoArgs;
use crate::bench::{ceilings, questions, requests, spread};
use crate::exit::{Code, Exit, OrExit, refused};
use crate::run::reference as told;
use crate::{machine, session, trace};

/// Seconds of one step by phase.
#[derive(Debug, Clone, Copy, Default)]
struct Phases {
    generate: f64,
    score: f64,
    reference: f64,
    values: f64,
    policy: f64,
    critic: f64,
    whole: f64,
}

struct Bench<'a> {
    args: &'a BenchPpoArgs,
    model: Model,
    reference: Model,
    critic: ScoreModel,
    tokenizer: &'a Tokenizer,
    algorithm: Box<dyn Algorithm>,
    learner: PolicyLearner,
    critic_learner: CriticLearner,
    rewards: RewardSet,
    engine: Engine,
    recording: Recording,
    sampling: Arc<Sampling>,
}

pub(super) fn bench(args: &BenchPpoArgs) -> Result<Code, Exit> {
    if args.prompts == 0 || args.group == 0 || args.new_tokens == 0 || args.learning.steps == 0 {
        return Err(refused("--prompts, --group, --new-tokens and --steps must be 1 or more"));
    }
    let _trace = trace::start(args.on.trace.as_deref())?;
    let threads = session::start_libtorch(args.on.threads);
    let opened = session::open_model(&args.on.model)?;
    let prompts = questions(&opened.tokenizer, &args.data, args.prompts * (args.learning.steps + 1))?;
    let mut bench = Bench::new(args, &opened)?;
    let mut phases = Vec::new();
    for step in 0..=args.learning.steps {
        let spent = bench.step(step, &prompts[step * args.prompts..(step + 1) * args.prompts])?;
        if !args.on.json {
            session::say(&format!("step {step}: {:.2} s ({spent:?})", spent.whole));
        }
        // The first step warms up: buffers are made, pages are faulted in.
        phases.extend((step > 0).then_some(spent));
    }
    session::print(&report(args, threads, &phases).to_string())?;
    Ok(Code::Done)
}

impl<'a> Bench<'a> {
    fn new(args: &'a BenchPpoArgs, opened: &'a session::Opened) -> Result<Self, Exit> {
        let schedule = Schedule {
            shape: Shape::Constant,
            lr: 1e-6,
            warmup: 0,
            total: args.learning.steps as u64 + 1,
            min_ratio: 0.0,
            decay_share: 0.0,
        };
        let optimizer = OptimizerConfig { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, clip_grad: 1.0 };
        let learner = LearnerConfig {
            epochs: 1,
            minibatches: 1,
            micro_tokens: args.learning.micro_tokens,
            max_new_tokens: args.new_tokens,
            max_skips: 3,
            optimizer,
            schedule,
        };
        let model = session::load(&opened.source)?;
        let mut reference = session::load(&opened.source)?;
        reference.freeze();
        let critic = opened.source.load_scores(Kind::Float, Some(Fresh::Zero)).or_model()?;
        let judge = opened.source.load_scores(Kind::Float, Some(Fresh::Normal(Seed(1)))).or_model()?;
        let judge = RewardModel::loaded(judge, session::open_model(&args.on.model)?.tokenizer, args.learning.micro_tokens);
        let sampling = Sampling { max_new_tokens: args.new_tokens, min_new_tokens: args.new_tokens, ..Sampling::default() };
        Ok(Self {
            args,
            learner: PolicyLearner::new(&model, learner),
            critic_learner: CriticLearner::new(&critic, CriticConfig { warmup_steps: 0, learner }),
            model,
            reference,
            critic,
            tokenizer: &opened.tokenizer,
            algorithm: build("ppo", &json!({"beta": 0.05})).or_failed()?,
            rewards: RewardSet::of("reward_model", judge),
            engine: Engine::new(),
            recording: if args.learning.tape_mb == 0 { Recording::new() } else { Recording::with_limit(args.learning.tape_mb << 20) },
            sampling: Arc::new(sampling),
        })
    }

    fn generate(&mut self, step: usize, prompts: &[Arc<Prompt>]) -> Result<Vec<RolloutGroup>, Exit> {
        let requests = requests(prompts, self.args.group, &self.sampling, step);
        let slots = self.args.group * prompts.len();
        self.engine.record((&self.model, self.tokenizer), &requests, slots, step as u64, &mut self.recording, &mut |_| true).or_failed()
    }

    fn step(&mut self, step: usize, prompts: &[Arc<Prompt>]) -> Result<Phases, Exit> {
        let _span = tracing::trace_span!("step").entered();
        let start = Instant::now();
        let mut last = 0.0;
        let mut lap = || {
            let now = start.elapsed().as_secs_f64();
            now - std::mem::replace(&mut last, now)
        };
        let groups = self.generate(step, prompts)?;
        let generate = lap();
        let scored: Vec<ScoredGroup> = groups.into_iter().map(|g| self.rewards.score(g)).collect();
        let score = lap();
        let logp = told::logp(&self.reference, &scored, 1.0, self.args.learning.micro_tokens).or_failed()?;
        let reference = lap();
        let values = told::values(&self.critic, &scored, self.args.learning.micro_tokens).or_failed()?;
        let of = Told { reference: Some(&logp), values: Some(&values), greedy: None };
        let batch = credit(self.algorithm.as_ref(), &mut AlgoState::default(), &scored, of, 1.0).or_failed()?;
        self.engine.release();
        let values = lap();
        let at = (step as u64, step as u64);
        self.learner.step((&self.model, None), self.algorithm.as_ref(), &batch, at, &mut self.recording).or_failed()?;
        let policy = lap();
        if let Some(loss) = self.algorithm.critic() {
            self.critic_learner.step(&self.critic, loss, &batch, self.recording.tape()).or_failed()?;
        }
        let critic = lap();
        Ok(Phases { generate, score, reference, values, policy, critic, whole: start.elapsed().as_secs_f64() })
    }
}

fn report(args: &BenchPpoArgs, threads: usize, phases: &[Phases]) -> Value {
    let of = |pick: fn(&Phases) -> f64| ceilings::median(&mut phases.iter().map(pick).collect::<Vec<_>>());
    let tokens = (args.prompts * args.group * args.new_tokens) as f64;
    json!({
        "bench": "ppo", "prompts": args.prompts, "group": args.group, "new_tokens": args.new_tokens, "steps": args.learning.steps, "threads": threads,
        "step_s": spread(&phases.iter().map(|p| p.whole).collect::<Vec<_>>()),
        "phases": {
            "generate": of(|p| p.generate), "score": of(|p| p.score), "reference": of(|p| p.reference), "values": of(|p| p.values),
            "policy": of(|p| p.policy), "critic": of(|p| p.critic),
        },
        "tokens_per_s": tokens / of(|p| p.whole), "peak_rss_mb": machine::peak_rss_mb(),
    })
}
