//! The losses of TRL, step by step, on rows and settings that are stored beside them (`tests/parity/run.py --store`).

use std::fs;

use serde_json::Value;

use crate::support::{Bench, checkout, collimate, metrics, said, tiny_model};

/// Replays a stored trajectory on the tiny model.
fn replay(kind: &str, algorithm: &str, format: &str) {
    let stored = checkout().join(format!("tests/tests/data/parity_{kind}.json"));
    let stored: Value = serde_json::from_str(&fs::read_to_string(stored).unwrap()).unwrap();
    let bench = Bench::new();
    let rows: Vec<String> = stored["rows"].as_array().unwrap().iter().map(Value::to_string).collect();
    let theirs: Vec<f64> = stored["losses"].as_array().unwrap().iter().map(|l| l.as_f64().unwrap()).collect();
    assert!(theirs.len() >= 8 && theirs.windows(2).all(|w| w[0] != w[1]), "a trajectory that moves");
    let data = bench.write("rows.jsonl", rows.join("\n") + "\n");
    let words = [
        "train".to_owned(),
        "run.name=replay".to_owned(),
        format!("run.dir={}", bench.path("runs").display()),
        format!("run.steps={}", theirs.len()),
        format!("model.path={}", tiny_model().display()),
        format!("data.format={format}"),
        format!("data.train={data}"),
        "data.shuffle=false".to_owned(),
        "data.heldout_rows=0".to_owned(),
        format!("algorithm.name={algorithm}"),
        format!("learner.rows={}", stored["rows_of_a_step"]),
        format!("learner.lr={}", stored["lr"]),
        format!("learner.max_length={}", stored["max_length"]),
    ];
    said(&mut collimate(words)).with_code(0);
    let ours: Vec<f64> = metrics(&bench.run_dir("replay")).iter().filter_map(|l| l["loss"].as_f64()).collect();
    assert_eq!(ours.len(), theirs.len());
    for (step, (x, y)) in (1..).zip(ours.iter().zip(&theirs)) {
        let (relative, allowed) = ((x - y).abs() / y.abs(), if step <= 5 { 1e-4 } else { 1e-3 });
        assert!(relative <= allowed, "{kind}, step {step}: {x} here, {y} there, {relative:e} apart");
    }
}

#[test]
fn the_losses_of_a_run_are_trls() {
    replay("sft", "sft", "prompt-completion");
    replay("dpo", "dpo", "preference");
    replay("reward", "reward_model", "preference");
}
