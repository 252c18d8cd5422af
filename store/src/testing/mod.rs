//! Runs and file systems for the tests of this crate.

use std::collections::BTreeMap;
use std::path::Path;

use collimate_types::Metrics;

use crate::{Blob, CheckpointMeta, RunDir, SavedCheckpoint, StoreError};

/// A small checkpoint of a step. Its weights are written in several pieces.
pub(crate) fn blobs(step: u64) -> Vec<Blob<'static>> {
    let weights = move |out: &mut dyn std::io::Write| (0..50).try_for_each(|i| out.write_all(&(step * 1000 + i).to_le_bytes()));
    vec![
        Blob::bytes("config.json", format!("{{\"step\":{step}}}")),
        Blob::new("model.safetensors", weights),
        Blob::bytes("trainer/optimizer.safetensors", vec![step as u8; 300]),
        Blob::bytes("trainer/state/rng", step.to_be_bytes()),
    ]
}

pub(crate) fn meta(step: u64, best: bool) -> CheckpointMeta {
    CheckpointMeta {
        config_hash: "c".to_owned(),
        score: Some(step as f64 / 3.0),
        best,
        state: serde_json::json!({ "step": step }),
        ..Default::default()
    }
}

pub(crate) fn save(run: &RunDir, step: u64) -> Result<SavedCheckpoint, StoreError> {
    run.save(step, blobs(step), meta(step, false))
}

pub(crate) fn save_best(run: &RunDir, step: u64) -> Result<SavedCheckpoint, StoreError> {
    run.save(step, blobs(step), meta(step, true))
}

/// A run with checkpoints at these steps. The directory lives as long as the first value.
pub(crate) fn run_with_checkpoints(steps: &[u64]) -> (tempfile::TempDir, RunDir) {
    let root = tempfile::tempdir().unwrap();
    let run = RunDir::create(root.path(), "run").unwrap();
    for step in steps {
        save(&run, *step).unwrap();
    }
    (root, run)
}

/// What a step of training adds to the logs.
pub(crate) fn grow(run: &RunDir, step: u64) {
    let mut metrics = Metrics::default();
    metrics.set("loss", 1.0 / step as f64);
    run.metrics().unwrap().append(step, &metrics).unwrap();
    run.rollouts(step).unwrap().append(&serde_json::json!({ "step": step, "text": "four" })).unwrap();
}

/// All files below some entries of a directory, with their contents.
pub(crate) fn tree(dir: &Path, entries: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = dir.join(entry);
        if path.is_dir() {
            let names: Vec<String> =
                std::fs::read_dir(&path).unwrap().map(|e| format!("{entry}/{}", e.unwrap().file_name().display())).collect();
            files.extend(tree(dir, &names.iter().map(String::as_str).collect::<Vec<_>>()));
        } else {
            files.insert((*entry).to_owned(), std::fs::read(&path).unwrap());
        }
    }
    files
}
