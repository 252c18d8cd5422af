//! A run that stops and goes on is the run that never stopped, byte for byte: with this very binary, as a user starts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Outcome, check};
use crate::exit::{Exit, OrExit};

const RECIPE: &str = r#"
[run]
seed = 1
threads = 1
[data]
format = "arithmetic"
heldout_rows = 4
[data.arithmetic]
operators = ["+"]
max = 9
examples = 1
[rollout]
prompts = 4
group = 4
[sampling]
max_new_tokens = 6
[algorithm]
beta = 0.05
[[reward]]
name = "length"
unit = "characters"
scale = 10
[learner]
lr = 1e-3
[checkpoint]
every = 1
keep = 100
"#;

/// The checks on a model directory: how many bytes of the last checkpoint differ.
pub(super) fn checks(model: &Path) -> Vec<Outcome> {
    let adapters = ["lora.rank=4", "lora.dropout=0.1"];
    vec![
        check("resume against no stop, bytes that differ", 0.0, || differing(model, &[], "model.safetensors")),
        check("the same with adapters", 0.0, || differing(model, &adapters, "adapter_model.safetensors")),
    ]
}

fn differing(model: &Path, more: &[&str], weights: &str) -> Result<f64, Exit> {
    let dir = tempfile::tempdir().or_failed()?;
    let recipe = dir.path().join("recipe.toml");
    fs::write(&recipe, RECIPE).or_failed()?;
    let run = |name: &str, words: &[&str]| train(&recipe, model, dir.path(), name, &[more, words].concat());
    run("whole", &["run.steps=4"])?;
    run("parts", &["run.steps=2"])?;
    run("parts", &["run.steps=4", "--resume"])?;
    let read = |name: &str, file: &str| {
        let path: PathBuf = dir.path().join(name).join("checkpoints/step-4").join(file);
        fs::read(&path).map_err(|e| format!("{}: {e}", path.display())).or_failed()
    };
    let mut count = 0;
    for file in [weights, "trainer/optimizer.safetensors", "trainer/rng.bin"] {
        let (a, b) = (read("whole", file)?, read("parts", file)?);
        count += a.iter().zip(&b).filter(|(a, b)| a != b).count() + a.len().abs_diff(b.len());
    }
    Ok(count as f64)
}

fn train(recipe: &Path, model: &Path, runs: &Path, name: &str, words: &[&str]) -> Result<(), Exit> {
    let binary = std::env::current_exe().or_failed()?;
    let mut command = Command::new(binary);
    command.arg("train").arg(recipe).arg(format!("model.path={}", model.display())).arg(format!("run.dir={}", runs.display()));
    let said = command.arg(format!("run.name={name}")).args(words).stdin(Stdio::null()).output().or_failed()?;
    if said.status.success() {
        return Ok(());
    }
    Err(format!("`train` ended with {}: {}", said.status, String::from_utf8_lossy(&said.stderr).trim())).or_failed()
}
