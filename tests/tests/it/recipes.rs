//! Every recipe of the house can be planned and run: one small step of each, on the tiny model.

use std::fs;
use std::path::PathBuf;

use crate::support::{Bench, checkout, run, tiny_model};

fn recipes() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(checkout().join("recipes")).unwrap().map(|e| e.unwrap().path()).collect();
    found.retain(|p| p.extension().is_some_and(|e| e == "toml"));
    found.sort();
    assert!(found.len() >= 2, "{found:?}");
    found
}

/// The words that make a recipe small enough for the tiny model, whose context is 256 bytes.
fn words(bench: &Bench, command: &str, recipe: &std::path::Path) -> Vec<String> {
    let text = fs::read_to_string(recipe).unwrap();
    let mut words = vec![command.to_owned(), recipe.to_str().unwrap().to_owned()];
    let dirs = [format!("run.dir={}", bench.path("runs").display()), format!("model.path={}", tiny_model().display())];
    words.extend(dirs);
    if text.contains("format = \"gsm8k\"") {
        words.push(format!("data.train={}", checkout().join("tests/tests/data/sums.jsonl").display()));
    }
    let pairs = checkout().join("tests/tests/data/dialogues.jsonl");
    if text.contains("format = \"hh-rlhf\"") {
        words.push(format!("data.train={}", pairs.display()));
    }
    if text.contains("model = \"runs/") {
        words.push(format!("reward={}", crate::reward_models::reward_model().display()));
    }
    let given = !text.contains("[[reward]]");
    if given {
        words.push("learner.rows=2".to_owned());
    }
    let small = "run.name=run run.steps=1 run.threads=1 data.heldout_rows=8 rollout.prompts=2 rollout.group=2 sampling.max_new_tokens=6 eval.rows=2";
    words.extend(small.split(' ').map(str::to_owned));
    words
}

#[test]
fn every_recipe_is_planned() {
    for recipe in recipes() {
        let bench = Bench::new();
        let plan = run(words(&bench, "plan", &recipe)).with_code(0).out;
        let batch = if plan.contains("learns from") { "2 rows; about" } else { "2 prompts x 2 answers = 4 sequences" };
        assert!(plan.contains(batch), "{}:\n{plan}", recipe.display());
        assert!(!bench.path("runs").exists());
    }
}

#[test]
fn every_recipe_makes_a_step() {
    for recipe in recipes() {
        let bench = Bench::new();
        run(words(&bench, "train", &recipe)).with_code(0);
        let metrics = crate::support::metrics(&bench.run_dir("run"));
        assert!(
            metrics.iter().any(|l| l["step"] == 1 && (l["reward"].is_number() || l["loss"].is_number())),
            "{}: {metrics:?}",
            recipe.display()
        );
        run(["ckpt".as_ref(), "verify".as_ref(), bench.run_dir("run").as_os_str()]).with_code(0);
    }
}
