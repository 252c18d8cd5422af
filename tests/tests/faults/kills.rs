//! Rows L2 and S*: kill -9 and signals at random instants, and a reader that goes away.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::row::{Args, Outcome, holds};
use crate::support::{Bench, Said, assert_same_state, collimate, metrics, run, wait_until};

/// The grace a scheduler gives.
const GRACE: Duration = Duration::from_secs(25);

/// The undisturbed run, and how long it took.
fn whole(bench: &Bench) -> Duration {
    let clock = Instant::now();
    bench.trained("whole", &[]);
    clock.elapsed()
}

fn start(bench: &Bench, name: &str) -> Child {
    bench.train(name, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Resumes what is there, or starts what never began, and compares the end.
fn resumed(bench: &Bench, name: &str) {
    let begun = bench.run_dir(name).join("lock").exists();
    let more: &[&str] = if begun { &["--resume"] } else { &[] };
    bench.trained(name, more);
    assert_eq!(metrics(&bench.run_dir(name)), metrics(&bench.run_dir("whole")), "the metrics differ");
    assert_same_state(&bench.checkpoint(name, 6), &bench.checkpoint("whole", 6));
}

pub(crate) fn random_instants(args: &Args) -> Outcome {
    let (bench, mut dice) = (Bench::new(), args.dice("L2"));
    let span = whole(&bench).as_micros() as u64;
    crate::count((0..30).map(|i| {
        let (name, delay) = (format!("killed-{i}"), Duration::from_micros(dice.below(span)));
        holds(|| {
            let mut child = start(&bench, &name);
            std::thread::sleep(delay);
            child.kill().unwrap();
            child.wait().unwrap();
            resumed(&bench, &name);
        })
        .map_err(|why| format!("killed after {delay:?}: {why}"))
    }))
}

/// Sends a signal after a while; the run ends gracefully within the limit, and what it leaves resumes to the same bytes.
fn signalled(bench: &Bench, name: &str, (signal, code): (Signal, i32), delay: Duration) {
    let child = start(bench, name);
    std::thread::sleep(delay);
    let clock = Instant::now();
    let _ = kill_process(Pid::from_child(&child), signal); // It may be done already.
    let output: Output = child.wait_with_output().unwrap();
    assert!(clock.elapsed() <= GRACE, "{:?} is more than the grace", clock.elapsed());
    // Before a run has begun nobody catches signals, and there is nothing to save.
    let early = output.status.signal() == Some(signal.as_raw()) && !bench.run_dir(name).join("checkpoints").exists();
    let done = output.status.code() == Some(0) && bench.checkpoint(name, 6).exists();
    if !early && !done {
        Said::from(output).with_code(code);
        let run_dir = bench.run_dir(name);
        if run_dir.exists() {
            whole_names(&run_dir);
            if collimate_store::latest(&run_dir).unwrap().is_some() {
                run(["ckpt".as_ref(), "verify".as_ref(), run_dir.as_os_str()]).with_code(0);
            }
        }
    }
    if !done {
        resumed(bench, name);
    }
}

/// A graceful end leaves nothing half-made.
fn whole_names(run: &Path) {
    for entry in fs::read_dir(run.join("checkpoints")).into_iter().flatten() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.contains(".tmp") && !name.contains(".gone"), "`{name}` is left");
    }
}

fn at_random_instants(args: &Args, row: &str, times: u64, signal: (Signal, i32)) -> Outcome {
    let (bench, mut dice) = (Bench::new(), args.dice(row));
    let span = whole(&bench).as_micros() as u64;
    crate::count((0..times).map(|i| {
        let (name, delay) = (format!("{row}-{i}"), Duration::from_micros(dice.below(span)));
        holds(|| signalled(&bench, &name, signal, delay)).map_err(|why| format!("after {delay:?}: {why}"))
    }))
}

pub(crate) fn interrupted(args: &Args) -> Outcome {
    at_random_instants(args, "S1", 20, (Signal::INT, 130))
}

pub(crate) fn terminated(args: &Args) -> Outcome {
    at_random_instants(args, "S2", 20, (Signal::TERM, 143))
}

pub(crate) fn save_asked(args: &Args) -> Outcome {
    let (bench, mut dice) = (Bench::new(), args.dice("S3"));
    // Nothing is saved unasked but the end and a best.
    let rare = ["checkpoint.every=0", "eval.every=0"];
    bench.trained("whole", &rare);
    crate::count((0..5).map(|i| {
        let (name, extra) = (format!("asked-{i}"), Duration::from_micros(dice.below(100_000)));
        holds(|| {
            let mut child = bench.train(&name, &rare).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let lines = |name: &str| fs::read_to_string(bench.run_dir(name).join("metrics.jsonl")).map_or(0, |t| t.lines().count() as u64);
            wait_until("the first step", &mut child, || lines(&name) > 0);
            std::thread::sleep(extra);
            let before = lines(&name);
            kill_process(Pid::from_child(&child), Signal::USR1).unwrap();
            Said::from(child.wait_with_output().unwrap()).with_code(0);
            let saved: Vec<u64> = collimate_store::checkpoints(&bench.run_dir(&name)).unwrap().into_iter().map(|c| c.step).collect();
            assert!(saved.iter().any(|s| (before..=before + 1).contains(s)), "asked after {before} steps, saved {saved:?}");
            assert!(saved.len() <= 2 && saved.contains(&6), "{saved:?}");
            assert_same_state(&bench.checkpoint(&name, 6), &bench.checkpoint("whole", 6));
        })
    }))
}

/// Commands whose reader takes one line, or none, and goes.
pub(crate) fn closed_output(_: &Args) -> Outcome {
    let bench = Bench::new();
    let config: Vec<String> = ["config", "show"].map(str::to_owned).into_iter().chain(bench.words("run", &[])).collect();
    let mut commands: Vec<Vec<String>> = ["algorithms --markdown", "rewards --markdown", "formats --json", "config schema", "--help"]
        .map(|line| line.split(' ').map(str::to_owned).collect())
        .to_vec();
    commands.push(config);
    commands.push(std::iter::once("train".to_owned()).chain(bench.words("run", &["run.steps=1", "--json"])).collect());
    crate::count(commands.iter().flat_map(|words| [0, 1].map(|lines| (words, lines))).map(|(words, lines)| {
        holds(|| {
            let _ = fs::remove_dir_all(bench.run_dir("run"));
            let mut child = collimate(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let mut out = BufReader::new(child.stdout.take().unwrap());
            let mut line = String::new();
            for _ in 0..lines {
                out.read_line(&mut line).unwrap();
            }
            drop(out);
            let said = Said::from(child.wait_with_output().unwrap());
            assert!(!said.err.contains("panicked") && !said.err.contains("Broken pipe"), "{}", said.err);
            assert!(matches!(said.code, Some(0) | None), "code {:?}: {}", said.code, said.err);
        })
        .map_err(|why| format!("{words:?}: {why}"))
    }))
}
