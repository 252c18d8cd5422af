//! The peers read what we write: transformers an exported model, TensorBoard a run's events.
//!
//! `COLLIMATE_PEERS` names a folder with `venv/bin/python` that has the packages; without it these tests skip and say so.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::resume::whole;
use crate::support::{Bench, checkout, run};

/// The peers' Python, if it is here and has the module.
fn python(module: &str) -> Option<PathBuf> {
    let Some(dir) = std::env::var_os("COLLIMATE_PEERS") else {
        eprintln!("skipped: COLLIMATE_PEERS is not set; it names a folder with venv/bin/python that has `{module}`");
        return None;
    };
    let python = PathBuf::from(dir).join("venv/bin/python");
    let has =
        Command::new(&python).args(["-c", &format!("import importlib.util as u, sys; sys.exit(u.find_spec('{module}') is None)")]).status();
    if !has.is_ok_and(|s| s.success()) {
        eprintln!("skipped: `{}` is not there or has no `{module}`", python.display());
        return None;
    }
    Some(python)
}

/// What a script of tests/python prints, as JSON.
fn script(python: PathBuf, name: &str, args: &[&str]) -> Value {
    let output = Command::new(python).arg(checkout().join("tests/python").join(name)).args(args).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn transformers_loads_an_export_and_gives_the_same_greedy_tokens_and_log_probabilities() {
    let Some(python) = python("transformers") else { return };
    let bench = Bench::new();
    let (source, dir) = (whole().checkpoint("whole", 6), bench.path("exported"));
    run(["ckpt".as_ref(), "export".as_ref(), source.as_os_str(), dir.as_os_str()]).with_code(0);
    let (dir, prompt, n) = (dir.to_str().unwrap(), "3 + 4 =", "12");
    let args = ["generate", "--json", "--raw", "--threads", "1", "--max-new-tokens", n, "-p", prompt, "--model", dir];
    let ours = run(args).with_code(0).json_lines().remove(0);
    let theirs = script(python, "greedy.py", &[dir, n, prompt]);
    let bytes: Vec<u64> = prompt.bytes().map(|b| 3 + u64::from(b)).collect();
    assert_eq!(theirs["prompt"], Value::from(bytes), "the exported tokenizer is another one");
    assert_eq!(theirs["tokens"], ours["tokens"]);
    let numbers = |v: &Value| v["logp"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    for (a, b) in numbers(&theirs).into_iter().zip(numbers(&ours)) {
        assert!((a - b).abs() <= 1e-3, "log-probability {a} there, {b} here");
    }
}

#[test]
fn tensorboard_reads_the_scalars_of_the_metrics_from_a_runs_events() {
    let Some(python) = python("tensorboard") else { return };
    let run_dir = whole().run_dir("whole");
    let seen = script(python, "read_events.py", &[run_dir.to_str().unwrap()]);
    let text = std::fs::read_to_string(run_dir.join("metrics.jsonl")).unwrap();
    let mut compared = 0;
    for line in text.lines() {
        let line: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        let step = line["step"].as_u64().unwrap();
        for (key, value) in line.iter().filter(|(key, value)| *key != "step" && value.is_number()) {
            let points = seen["scalars"][key].as_array().unwrap_or_else(|| panic!("TensorBoard has no `{key}`"));
            let point = points.iter().find(|p| p[0].as_u64() == Some(step)).unwrap_or_else(|| panic!("`{key}` has no step {step}"));
            let (there, here) = (point[1].as_f64().unwrap(), value.as_f64().unwrap());
            assert!((there - here).abs() <= 1e-6 * here.abs().max(1e-6), "`{key}` of step {step}: {there} there, {here} here");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared} scalars compared");
}

#[test]
fn peft_loads_an_adapter_and_gives_the_same_greedy_tokens_and_log_probabilities() {
    let Some(python) = python("peft") else { return };
    let bench = Bench::new();
    bench.trained("run", &[&crate::lora::LORA[..], &["run.steps=2"]].concat());
    let (base, adapter) = (crate::support::tiny_model().to_str().unwrap(), bench.checkpoint("run", 2));
    let (adapter, prompt, n) = (adapter.to_str().unwrap(), "3 + 4 =", "12");
    let args =
        ["generate", "--json", "--raw", "--threads", "1", "--max-new-tokens", n, "-p", prompt, "--model", base, "--adapter", adapter];
    let ours = run(args).with_code(0).json_lines().remove(0);
    let theirs = script(python, "adapter.py", &[base, adapter, n, prompt]);
    assert_eq!(theirs["adapters"], Value::from(2 * 2 * 3), "A and B of three projections in two layers");
    assert_eq!(theirs["tokens"], ours["tokens"]);
    let numbers = |v: &Value| v["logp"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    for (a, b) in numbers(&theirs).into_iter().zip(numbers(&ours)) {
        assert!((a - b).abs() <= 1e-4, "log-probability {a} there, {b} here");
    }
}
