//! `collimate bench sft | dpo | reward`: whole steps of learning from given data, in file order.
//!
//! DPO and reward models: pairs of HH-RLHF as plain text whose two sides have 64 to 256 tokens each, the end of the sequence included. SFT:
//! worked answers of GSM8K laid one after another and cut into rows of one length, all tokens learnt. lr 1e-6, clipping at 1.0. TRL's
//! benchmark has the same shapes.

use std::path::Path;
use std::time::Instant;

use collimate_algorithms::{AlgoState, Comparisons, Demonstrations, Method, Objective, Pairs, method};
use collimate_datasets::{DataConfig, DataError, Item, load_as};
use collimate_learners::{GivenAnswer, GivenLearner, GivenRow, LearnerConfig, OptimizerConfig, Schedule, Shape, reference};
use collimate_models::{Model, Tape};
use collimate_types::{Demonstration, Seed};
use serde_json::{Value, json};

use crate::args::BenchGivenArgs;
use crate::bench::{
    ceilings::{self, Ceilings},
    spread,
};
use crate::exit::{Code, Exit, OrExit, refused};
use crate::run::given::{Kind, Rows};
use crate::session::Opened;
use crate::{machine, session, trace};

/// Tokens of each side of a pair, the end of the sequence included.
const SIDES: std::ops::RangeInclusive<usize> = 64..=256;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Sft,
    Dpo,
    Reward,
}

/// Seconds of one step by phase.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    reference: f64,
    forward_backward: f64,
    optimizer: f64,
    whole: f64,
    /// Rows of the trunk, and of the reference's.
    rows: f64,
    reference_rows: f64,
    loss: f64,
}

pub(super) fn bench(task: Task, args: &BenchGivenArgs) -> Result<Code, Exit> {
    if args.rows == 0 || args.length < 2 || args.learning.steps == 0 {
        return Err(refused("--rows and --steps must be 1 or more, --length 2 or more"));
    }
    let _trace = trace::start(args.on.trace.as_deref())?;
    let threads = session::start_libtorch(args.on.threads);
    let opened = session::open_model(&args.on.model)?;
    let wanted = args.rows * (args.learning.steps + 1);
    let objective = |name: &str| method(name, &json!({})).or_failed();
    match (task, objective(["sft", "dpo", "reward_model"][task as usize])?) {
        (Task::Sft, Method::Demonstrations(objective)) => {
            let rows = stream(&opened, &args.data, args.length, wanted)?;
            run::<Demonstrations>(args, threads, &opened, (objective.as_ref(), rows), "sft")
        }
        (Task::Dpo, Method::Pairs(objective)) => {
            let rows = pairs::<Pairs>(&opened, &args.data, wanted)?;
            run::<Pairs>(args, threads, &opened, (objective.as_ref(), rows), "dpo")
        }
        (Task::Reward, Method::Comparisons(objective)) => {
            let rows = pairs::<Comparisons>(&opened, &args.data, wanted)?;
            run::<Comparisons>(args, threads, &opened, (objective.as_ref(), rows), "reward")
        }
        _ => Err(refused("this algorithm learns from other data")),
    }
}

fn read<T: Item>(file: &Path, format: &str) -> Result<Vec<std::sync::Arc<T>>, Exit> {
    let mut config =
        DataConfig { format: format.into(), train: Some(file.into()), heldout_rows: 0, shuffle: false, ..DataConfig::default() };
    config.hh_rlhf.chat = false;
    let join = |errors: Vec<DataError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    Ok(load_as::<T>(&config, Seed(1), None).map_err(join).or_refused()?.train.tasks)
}

/// The first pairs of a file whose sides have the lengths that are measured.
fn pairs<D: Kind>(opened: &Opened, file: &Path, wanted: usize) -> Result<Vec<GivenRow<D::Label>>, Exit> {
    let items = read::<D::Item>(file, "hh-rlhf")?;
    let rows = Rows { tokenizer: &opened.tokenizer, max_length: opened.source.config.max_positions };
    let fits = |row: &GivenRow<D::Label>| row.answers.iter().all(|a| SIDES.contains(&(row.prompt.len() + a.tokens.len())));
    let all = (0..items.len()).map(|n| rows.of::<D>(&items, n));
    let found: Vec<_> = all.filter(|row| row.as_ref().map_or(true, fits)).take(wanted).collect::<Result<_, _>>()?;
    enough(found, wanted, file)
}

/// Questions and worked answers one after another, cut into rows of one length.
fn stream(opened: &Opened, file: &Path, length: usize, wanted: usize) -> Result<Vec<GivenRow>, Exit> {
    let mut tokens = Vec::new();
    for item in read::<Demonstration>(file, "gsm8k")? {
        let asked = item.text.clone().or_else(|| item.messages.last().map(|m| m.content.clone())).unwrap_or_default();
        tokens.extend(opened.tokenizer.encode(&format!("{asked}\n{}", item.answer.said())).or_refused()?);
        tokens.extend(opened.tokenizer.eos());
        if tokens.len() >= wanted * length {
            break;
        }
    }
    let row = |tokens: &[u32]| {
        let mut trained = vec![true; tokens.len()];
        trained[0] = false; // predicted by nothing
        GivenRow { prompt: Vec::new(), answers: vec![GivenAnswer { tokens: tokens.to_vec(), trained, logp_ref: None }], label: () }
    };
    enough(tokens.chunks_exact(length).take(wanted).map(row).collect(), wanted, file)
}

fn enough<R>(rows: Vec<R>, wanted: usize, file: &Path) -> Result<Vec<R>, Exit> {
    if rows.len() == wanted {
        return Ok(rows);
    }
    Err(refused(format!("{} gives {} rows of these lengths, this benchmark takes {wanted}; ask for fewer", file.display(), rows.len())))
}

fn config(args: &BenchGivenArgs) -> LearnerConfig {
    let schedule =
        Schedule { shape: Shape::Constant, lr: 1e-6, warmup: 0, total: args.learning.steps as u64 + 1, min_ratio: 0.0, decay_share: 0.0 };
    let optimizer = OptimizerConfig { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, clip_grad: 1.0 };
    LearnerConfig {
        epochs: 1,
        minibatches: 1,
        micro_tokens: args.learning.micro_tokens,
        max_new_tokens: args.length,
        max_skips: 3,
        optimizer,
        schedule,
    }
}

fn run<D: Kind>(
    args: &BenchGivenArgs,
    threads: usize,
    opened: &Opened,
    (objective, mut rows): (&dyn Objective<D>, Vec<GivenRow<D::Label>>),
    name: &str,
) -> Result<Code, Exit> {
    let model = D::load(opened, Seed(1))?;
    let referred = objective.needs().reference;
    let other = if referred && args.no_ref_cache {
        let mut other = D::load(opened, Seed(1))?;
        other.freeze();
        Some(other)
    } else {
        None
    };
    let start = Instant::now();
    if referred && !args.no_ref_cache {
        refer::<D>(&model, &mut rows, 1)?;
    }
    let cache_s = start.elapsed().as_secs_f64();
    let tape = if args.learning.tape_mb == 0 { Tape::new() } else { Tape::with_limit(args.learning.tape_mb << 20) };
    let mut learner = GivenLearner::new::<D>(&model, config(args), tape);
    let before = Ceilings::measure();
    let mut state = AlgoState::default();
    let mut all = Vec::new();
    for (step, rows) in rows.chunks_mut(args.rows).enumerate() {
        let spent =
            one::<D>((&model, other.as_ref()), &mut learner, (objective, &mut state), rows, (step as u64, args.learning.micro_tokens))?;
        if !args.on.json {
            session::say(&format!("step {step}: {:.2} s ({spent:?})", spent.whole));
        }
        // The first step warms up: buffers are made, pages are faulted in.
        all.extend((step > 0).then_some(spent));
    }
    let peak = machine::peak_rss_mb(); // before the ceilings' own buffers
    let ceilings = Ceilings::median(&[before, Ceilings::measure()]);
    let tokens = rows[args.rows..].iter().map(sides).sum::<usize>() as f64 / args.learning.steps as f64;
    let trained =
        if name == "reward" { 0.0 } else { rows[args.rows..].iter().map(learnt).sum::<usize>() as f64 / args.learning.steps as f64 };
    let work = Work { tokens, trained, config: &model.config };
    let mut out = report(args, (&all, work), ceilings, (threads, peak));
    out["bench"] = json!(name);
    if referred {
        out["reference"] = json!({ "cached": !args.no_ref_cache, "cache_s": (!args.no_ref_cache).then_some(cache_s) });
    }
    session::print(&out.to_string())?;
    Ok(Code::Done)
}

/// Tokens of a row where every side is counted whole, as a padded batch has them.
fn sides<L>(row: &GivenRow<L>) -> usize {
    row.answers.iter().map(|a| row.prompt.len() + a.tokens.len()).sum()
}

fn learnt<L>(row: &GivenRow<L>) -> usize {
    (0..row.answers.len()).map(|n| row.trained_tokens(n)).sum()
}

fn refer<D: Kind>(model: &Model<D::Head>, rows: &mut [GivenRow<D::Label>], budget: usize) -> Result<(), Exit> {
    let sums = reference::<D>(model, rows, budget).or_failed()?;
    for (row, sums) in rows.iter_mut().zip(sums) {
        row.answers.iter_mut().zip(sums).for_each(|(answer, sum)| answer.logp_ref = Some(sum));
    }
    Ok(())
}

fn one<D: Kind>(
    (model, other): (&Model<D::Head>, Option<&Model<D::Head>>),
    learner: &mut GivenLearner,
    objective: (&dyn Objective<D>, &mut AlgoState),
    rows: &mut [GivenRow<D::Label>],
    (step, budget): (u64, usize),
) -> Result<Spent, Exit> {
    let _span = tracing::trace_span!("step").entered();
    let start = Instant::now();
    if let Some(other) = other {
        refer::<D>(other, rows, budget)?;
    }
    let reference = start.elapsed().as_secs_f64();
    let report = learner.step::<D>(model, objective, rows, (step, step)).or_failed()?;
    let whole = start.elapsed().as_secs_f64();
    let number = |name: &str| report.metrics.get(name).unwrap_or(0.0);
    let (optimizer, trunk) = (number("time/optimizer"), number("learner/rows"));
    let reference_rows = if other.is_some() { trunk } else { 0.0 };
    let loss = number("loss");
    Ok(Spent { reference, forward_backward: whole - reference - optimizer, optimizer, whole, rows: trunk, reference_rows, loss })
}

/// What a step has to compute on average.
struct Work<'a> {
    tokens: f64,
    trained: f64,
    config: &'a collimate_models::ModelConfig,
}

/// The floor is the time of the products at the measured ceiling, attention left out: `6 N_lin` a trunk row and `6 N_head` a learnt token
/// for forward and backward, a third of it for a reference's forward.
fn report(args: &BenchGivenArgs, (all, work): (&[Spent], Work<'_>), ceilings: Ceilings, (threads, peak): (usize, f64)) -> Value {
    let of = |pick: fn(&Spent) -> f64| ceilings::median(&mut all.iter().map(pick).collect::<Vec<_>>());
    let (linear, head) = (work.config.linear_params() as f64, work.config.head_params() as f64);
    let referred = if of(|s| s.reference_rows) > 0.0 { 1.0 } else { 0.0 };
    let flops =
        6.0 * linear * of(|s| s.rows) + 6.0 * head * work.trained + referred * 2.0 * (linear * of(|s| s.rows) + head * work.trained);
    let floor_s = flops / (ceilings.sgemm_gflops * 1e9);
    let median = of(|s| s.whole);
    json!({
        "rows": args.rows, "steps": args.learning.steps, "threads": threads, "step_s": spread(&all.iter().map(|s| s.whole).collect::<Vec<_>>()),
        "phases": { "reference": of(|s| s.reference), "forward_backward": of(|s| s.forward_backward), "optimizer": of(|s| s.optimizer) },
        "tokens": work.tokens, "trunk_rows": of(|s| s.rows), "tokens_per_s": work.tokens / median, "peak_rss_mb": peak,
        "sgemm_gflops": ceilings.sgemm_gflops, "read_gbs": ceilings.read_gbs, "floor_s": floor_s, "fraction_of_floor": floor_s / median,
        "loss": all.iter().map(|s| s.loss).collect::<Vec<_>>(),
    })
}
