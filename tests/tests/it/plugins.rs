//! Rewards in programs of their own: a run with one is the run it would be without its deaths; the walk of docs/rewards.md.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Bench, assert_same_state, binary, checkout, metrics, run, said};

/// Numbers that look random and are the same in every test run (splitmix64).
fn draw(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % below
}

/// Thirty steps judged by the plugin alone, which dies at these calls.
fn bench(die_at: &BTreeSet<u64>) -> Bench {
    let bench = Bench::new();
    let recipe = fs::read_to_string(bench.path("recipe.toml")).unwrap();
    let (head, rest) = recipe.split_once("[[reward]]").unwrap();
    let tail = &rest[rest.find("[learner]").unwrap()..];
    let (calls, deaths) = (bench.path("calls"), bench.path("deaths"));
    let table = format!(
        "[[reward]]\nname = \"dying\"\nplugin = {:?}\nbatch = 4\nconfig = {{ calls = {calls:?}, deaths = {deaths:?}, die_at = {:?} }}\n\n",
        crate::dying::command(),
        die_at.iter().collect::<Vec<_>>()
    );
    let recipe = format!("{head}{table}{tail}").replace("steps = 6", "steps = 30").replace("every = 1\nkeep", "every = 0\nkeep");
    bench.write("recipe.toml", recipe.replace("every = 1\nrows", "every = 0\nrows"));
    bench
}

#[test]
fn a_run_whose_plugin_dies_at_twenty_random_calls_ends_with_the_bytes_of_an_undisturbed_one() {
    let whole = bench(&BTreeSet::new());
    whole.trained("run", &[]);
    let mut dice = 20_261_124;
    let mut die_at = BTreeSet::new();
    // 30 steps of 16 answers are 480 calls, and those of a batch that was lost are made again.
    while die_at.len() < 20 {
        die_at.insert(1 + draw(&mut dice, 480));
    }
    let disturbed = bench(&die_at);
    disturbed.trained("run", &[]);
    let deaths = fs::read_to_string(disturbed.path("deaths")).unwrap();
    let died: BTreeSet<u64> = deaths.lines().map(|l| l.parse().unwrap()).collect();
    assert_eq!(died, die_at, "the plugin died 20 times");
    assert_same_state(&whole.checkpoint("run", 30), &disturbed.checkpoint("run", 30));
    assert_eq!(metrics(&whole.run_dir("run")), metrics(&disturbed.run_dir("run")));
    assert!(metrics(&disturbed.run_dir("run")).iter().all(|line| line["faults/total"] == json!(0.0)), "no death was charged to an answer");
    let log = fs::read_to_string(disturbed.run_dir("run").join("reward-dying.log")).unwrap();
    assert!(log.contains("running 1 test"), "what the plugin prints is in its log: {log}");
}

#[test]
fn a_plugin_that_refuses_its_settings_is_refused_before_the_run() {
    let bench = bench(&BTreeSet::new());
    let text = fs::read_to_string(bench.path("recipe.toml")).unwrap();
    bench.write("recipe.toml", text.replace("calls = ", "cals = "));
    let said = said(&mut bench.train("run", &[])).with_code(2);
    said.telling(&["reward `dying`", "refuses its `config`: unknown field `cals`"]);
    assert!(!bench.run_dir("run").exists());
}

#[test]
fn a_plugin_that_fails_too_often_ends_the_run_with_a_clear_line() {
    let bench = bench(&(1..2000).collect());
    let said = said(&mut bench.train("run", &[])).with_code(1);
    said.telling(&["are faults of the reward itself", "dying: it is given up after 10 deaths in a row", "signal 6 (abort)"]);
}

/// Cargo in a folder outside of the checkout; what it builds is kept between test runs.
fn cargo(folder: &std::path::Path, words: &[&str]) {
    let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("stranger");
    let mut command = Command::new(env!("CARGO"));
    command.args(words).current_dir(folder).env("CARGO_TARGET_DIR", &target);
    let output = command.output().unwrap();
    assert!(output.status.success(), "cargo {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_reward_crate_is_written_built_tested_and_trained_by_outside_of_the_workspace() {
    let bench = Bench::new();
    let here = bench.dir.path();
    let collimate = |words: &[&str]| said(Command::new(binary()).args(words).current_dir(here));
    let made = collimate(&["reward", "new", "demo"]).with_code(0);
    assert_eq!(made.out.trim(), "demo");
    collimate(&["reward", "new", "demo"]).with_code(2).telling(&["`demo` exists already"]);
    collimate(&["reward", "new", "../x"]).with_code(2).telling(&["no name for a crate"]);
    collimate(&["reward", "new", "x", "--sdk", "."]).with_code(2).telling(&["the SDK is not at"]);
    cargo(&bench.path("demo"), &["test", "--quiet"]);
    cargo(&bench.path("demo"), &["build", "--release", "--quiet"]);
    let program = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("stranger/release/demo");
    fs::create_dir_all(bench.path("demo/target/release")).unwrap();
    fs::copy(program, bench.path("demo/target/release/demo")).unwrap();

    let by_hand = said(Command::new(bench.path("demo/target/release/demo")).stdin(std::process::Stdio::null())).with_code(2);
    by_hand.telling(&["`demo` 0.1.0 is a reward plugin of Collimate"]);
    let described = said(Command::new(bench.path("demo/target/release/demo")).arg("--describe")).with_code(0).out;
    let hello: Value = serde_json::from_str(&described).unwrap();
    assert_eq!(hello["schema"]["properties"]["bonus"]["default"], json!(0.1), "{described}");

    let cases = ["reward", "test", "demo/target/release/demo", "demo/cases.jsonl"];
    let tried = collimate(&cases).with_code(0);
    assert!(tried.out.contains("4 of 4 answers as wanted, 0 changed"), "{}", tried.out);
    let other = collimate(&[&cases[..], &["--set", "config.word=bitte"]].concat()).with_code(1);
    other.telling(&["line 2: `demo` gives 1, wanted is 1.1"]);
    let bench_said = collimate(&["reward", "bench", "demo/target/release/demo", "--calls", "64", "--file", "demo/cases.jsonl", "--json"]);
    let speed: Value = bench_said.with_code(0).json_lines().remove(0);
    assert!(speed["calls"] == 64 && speed["calls_per_s"].as_f64().unwrap() > 0.0, "{speed}");

    let words = bench.words("run", &["reward=./demo/target/release/demo", "run.steps=2"]);
    let trained = said(Command::new(binary()).arg("train").args(&words).current_dir(here)).with_code(0);
    assert!(trained.err.contains("step 2/2"), "{}", trained.err);
    let lines = metrics(&bench.run_dir("run"));
    assert!(lines.iter().any(|l| l.get("rewards/demo/mean").is_some() && l.get("rewards/demo/right/mean").is_some()), "{lines:?}");
}

#[test]
fn a_plugin_in_python_trains_too() {
    if !Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: there is no python3");
        return;
    }
    let bench = Bench::new();
    let script = checkout().join("examples/rewards/polite.py");
    bench.trained("run", &["run.steps=2", &format!("reward=[{{plugin=[\"python3\", {script:?}]}}]")]);
    assert!(metrics(&bench.run_dir("run")).iter().any(|l| l.get("rewards/polite/brief/mean").is_some()));
}

#[test]
fn the_cost_of_a_plugin_is_measured_beside_a_bare_socket() {
    let said = run(["bench", "reward-plugin", "--answers", "64", "--batch", "16", "--pipeline", "1,2", "--repeats", "1", "--json"]);
    for line in said.with_code(0).json_lines() {
        assert!(line["ratio"].as_f64().unwrap() > 0.0 && line["frames"] == 4, "{line}");
    }
}
