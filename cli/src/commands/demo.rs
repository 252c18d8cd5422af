//! `collimate demo`: a small model learns arithmetic before your eyes.

use std::path::{Path, PathBuf};
use std::time::Instant;

use collimate_controller::Outcome;
use collimate_evals::{Curve, Proportion};
use serde_json::{Value, json};

use crate::args::DemoArgs;
use crate::bench::ceilings::{median, sgemm_gflops};
use crate::config::{Layer, Purpose, load};
use crate::exit::{Code, Exit, OrExit};
use crate::run::{Begin, Evaluated, Job, Summary, build, refuse, start};
use crate::session::{self, harmless, say};

/// The recipe of the demo, the same file that stands in recipes/.
const RECIPE: &str = include_str!("../../../recipes/arithmetic-grpo.toml");
/// Where a finished demo keeps its result.
const RESULT: &str = "demo.json";
/// How many answers are shown.
const SHOWN: usize = 6;

/// Teaches a small model arithmetic and shows it.
pub(crate) fn demo(args: &DemoArgs) -> Result<Code, Exit> {
    let begun = Instant::now();
    let root = PathBuf::from("runs");
    let name = format!("demo-arithmetic-seed{}", args.seed);
    let (name, begin) = choose(&root, &name, args.again);
    if begin.is_none() {
        return show(&root.join(&name));
    }
    let mut layers = vec![Layer::Text { name: "recipes/arithmetic-grpo.toml".into(), text: RECIPE.into() }];
    let model = format!("model.path={}", args.model.display());
    let fixed = [format!("run.name={name}"), format!("run.seed={}", args.seed), model, format!("run.dir={}", root.display())];
    layers.extend(args.changes.iter().cloned().chain(fixed).map(Layer::Set));
    let loaded = load(&layers, Purpose::Train).map_err(|d| refuse(&d, false))?;
    let job = build(&loaded).map_err(|d| refuse(&d, false))?;
    session::start_libtorch(job.threads);
    let mut speeds = vec![sgemm_gflops()];
    say(&introduction(&job, &name, speeds[0]));
    let summary = start(&job, begin.unwrap_or(Begin::New))?;
    if summary.outcome != Some(Outcome::Done) {
        let message = format!("the demo ended early ({:?}); run it again to go on", summary.outcome);
        return Err(Exit { code: summary.stopped_by.unwrap_or(Code::Failed), message: Some(message) });
    }
    speeds.push(sgemm_gflops());
    let result = result(&job, &summary, args.seed, median(&mut speeds), begun.elapsed().as_secs_f64());
    let dir = root.join(&name);
    let bytes = serde_json::to_vec_pretty(&result).or_failed()?;
    std::fs::write(dir.join(RESULT), bytes).map_err(|e| format!("cannot write `{}`: {e}", dir.join(RESULT).display())).or_failed()?;
    show(&dir)
}

/// The run's name, and how it begins; none if it is finished and shall only be shown.
fn choose(root: &Path, name: &str, again: bool) -> (String, Option<Begin>) {
    let numbered = |n: u32| if n == 1 { name.to_owned() } else { format!("{name}-{n}") };
    let newest = (1..).take_while(|n| root.join(numbered(*n)).exists()).last();
    match newest {
        None => (numbered(1), Some(Begin::New)),
        Some(n) if root.join(numbered(n)).join(RESULT).exists() => {
            if again {
                (numbered(n + 1), Some(Begin::New))
            } else {
                (numbered(n), None)
            }
        }
        // It was interrupted: go on where it stands, or leave it and take a new name.
        Some(n) if again => (numbered(n + 1), Some(Begin::New)),
        Some(n) => (numbered(n), Some(Begin::Resume)),
    }
}

fn introduction(job: &Job, name: &str, speed: f64) -> String {
    let (p, g) = (job.plan.prompts_per_step, job.plan.group_size);
    format!(
        "Teaching {} arithmetic by {}: {} steps of {p} questions x {g} answers, {} threads, {speed:.0} GFLOP/s.\n\
         Its answers are judged by one rule: is the last number right? Held-out questions are never trained on. Run: {name}",
        job.files.model.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        job.card().name,
        job.plan.steps,
        job.threads
    )
}

fn result(job: &Job, summary: &Summary, seed: u64, speed: f64, total_s: f64) -> Value {
    let before = summary.evaluations.first().map(|e| &e.1);
    let after = summary.evaluations.last().map(|e| &e.1);
    let accuracy = |e: Option<&Evaluated>| e.map(|e| e.task.accuracy);
    let interval = |e: Option<&Evaluated>| e.map(|e| e.task.interval);
    let samples = |e: Option<&Evaluated>| e.map(|e| e.samples.iter().take(SHOWN).cloned().collect::<Vec<_>>());
    let curve: Vec<(u64, f64)> = summary.rewards.clone();
    json!({
        "line": {
            "recipe": "arithmetic-grpo", "seed": seed, "steps": job.plan.steps, "heldout_n": after.map(|e| e.task.n),
            "before": accuracy(before), "after": accuracy(after), "train_s": summary.train_s, "total_s": total_s,
            "tokens_per_s": summary.tokens as f64 / summary.train_s, "sgemm_gflops": speed,
            "run_dir": job.files.root.join(&job.files.name),
        },
        "before_interval": interval(before), "after_interval": interval(after),
        "samples_before": samples(before), "samples_after": samples(after), "curve": curve,
    })
}

/// Shows a finished demo; the last line on stdout is its JSON line.
fn show(dir: &Path) -> Result<Code, Exit> {
    let text =
        std::fs::read_to_string(dir.join(RESULT)).map_err(|e| format!("cannot read `{}`: {e}", dir.join(RESULT).display())).or_failed()?;
    let result: Value = serde_json::from_str(&text).or_failed()?;
    say("\nquestion          before        after         right");
    let samples = |key: &str| result[key].as_array().cloned().unwrap_or_default();
    for (before, after) in samples("samples_before").iter().zip(&samples("samples_after")) {
        let question = before["truth"]["question"].as_str().unwrap_or_default();
        let answer = |s: &Value| harmless(s["answer"].as_str().unwrap_or_default().trim());
        let mark = if after["correct"] == true { "yes" } else { "no" };
        say(&format!(
            "{question:<17} {:<13} {:<13} {} ({mark})",
            answer(before),
            answer(after),
            after["truth"]["answer"].as_str().unwrap_or_default()
        ));
    }
    let points: Vec<(u64, f64)> = serde_json::from_value(result["curve"].clone()).unwrap_or_default();
    let curve = Curve { width: 64, height: 8, ascii: false, range: Some([0.0, 1.0]) };
    say(&format!("\nmean reward by step (share of sampled answers that are right)\n{}", curve.draw(&points)));
    let line = &result["line"];
    let n = line["heldout_n"].as_u64().unwrap_or(0);
    let share = |key: &str| {
        let accuracy = line[key].as_f64().unwrap_or(0.0);
        Proportion::new((accuracy * n as f64).round() as u64, n).map_or_else(
            |e| e.to_string(),
            |p| {
                let [low, high] = p.interval();
                format!("{:.1}% [{:.1}%, {:.1}%]", 100.0 * p.share(), 100.0 * low, 100.0 * high)
            },
        )
    };
    say(&format!(
        "\nheld-out accuracy, greedy, {n} questions: {} before, {} after\ntraining took {:.0} s ({:.0} tokens/s); everything is in {}",
        share("before"),
        share("after"),
        line["train_s"].as_f64().unwrap_or(0.0),
        line["tokens_per_s"].as_f64().unwrap_or(0.0),
        dir.display()
    ));
    session::print(&line.to_string())?;
    Ok(Code::Done)
}
