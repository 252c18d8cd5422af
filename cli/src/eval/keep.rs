//! Keeping a result: as JSON in a directory, as a table or a line of JSON on stdout.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use collimate_evals::{Outcome, Record, Source};
use serde_json::{Map, Value};

use super::args::OutputArgs;
use crate::exit::{Code, Exit, OrExit};
use crate::session;

/// The folder of evaluations in a run.
pub(crate) const EVALUATIONS: &str = "evaluations";
/// Where runs are, if nothing else is said.
const RUNS: &str = "runs";

/// What was measured, before the outcome is known.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) model: Source,
    pub(super) against: Option<Source>,
    pub(super) data: Source,
    pub(super) format: String,
    pub(super) settings: Map<String, Value>,
    pub(super) seconds: f64,
}

/// A model with its hash.
pub(super) fn model(path: &Path) -> Result<Source, Exit> {
    let dir = session::model_dir(path)?;
    Ok(Source { path: dir.display().to_string(), hash: collimate_store::content_hash(&dir, None).or_model()? })
}

/// A file with its hash.
pub(super) fn file(path: &Path) -> Result<Source, Exit> {
    Ok(Source { path: path.display().to_string(), hash: collimate_store::content_hash(path, None).or_refused()? })
}

/// Where the results of a model are kept.
pub(super) fn place(output: &OutputArgs, model: &Path) -> PathBuf {
    output.out.clone().unwrap_or_else(|| default_place(model, Path::new(RUNS)))
}

/// In the run that a model belongs to, else in `root`.
pub(super) fn default_place(model: &Path, root: &Path) -> PathBuf {
    let full = model.canonicalize().unwrap_or_else(|_| model.to_owned());
    // A run is known by its lock; a checkpoint lies two folders below it.
    let run = full.ancestors().take(3).find(|dir| dir.join("lock").is_file() && dir.join("checkpoints").is_dir());
    run.unwrap_or(root).join(EVALUATIONS)
}

/// Writes the record and prints the result.
pub(super) fn tell(kept: Kept, outcome: Outcome, dir: &Path, json: bool) -> Result<Code, Exit> {
    let Kept { model, against, data, format, settings, seconds } = kept;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let record = Record { model, against, data, format, settings, seconds, version, outcome };
    let value = record.to_json().or_failed()?;
    let path = dir.join(name(&record));
    write(&path, &value).map_err(|e| format!("the result cannot be kept as `{}`: {e}", path.display())).or_failed()?;
    session::say(&format!("kept as {}", path.display()));
    if json {
        session::print(&value.to_string())?;
    } else {
        let tables: Vec<String> = record.outcome.tables().iter().map(ToString::to_string).collect();
        session::print(tables.join("\n").trim_end())?;
        if let Outcome::Preference(result) = &record.outcome {
            session::say(result.sign.says());
        }
    }
    Ok(Code::Done)
}

/// The same measurement has the same name: measured again, it takes the old one's place.
fn name(record: &Record) -> String {
    let last = |path: &str| {
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default().chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).take(40).collect::<String>()
    };
    let against = record.against.as_ref().map(|s| s.hash.as_str()).unwrap_or_default();
    let all = [&record.model.hash, against, &record.data.hash, &record.format, &Value::Object(record.settings.clone()).to_string()];
    let hash = collimate_store::hash_bytes(all.join("\n").as_bytes());
    format!("{}-{}-{}-{}.json", record.outcome.name(), last(&record.model.path), last(&record.data.path), &hash[..8])
}

/// Whole or not at all: a reader never sees half a result.
fn write(path: &Path, value: &Value) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let temp = path.with_added_extension("tmp");
    let mut file = fs::File::create(&temp)?;
    file.write_all(serde_json::to_string_pretty(value)?.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&temp, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_lies_in_the_run_that_its_model_belongs_to() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().canonicalize().unwrap().join("grpo");
        fs::create_dir_all(run.join("checkpoints/step-3")).unwrap();
        fs::write(run.join("lock"), "").unwrap();
        for model in [run.clone(), run.join("checkpoints/step-3")] {
            assert_eq!(default_place(&model, Path::new("runs")), run.join("evaluations"));
        }
        assert_eq!(default_place(dir.path(), Path::new("runs")), Path::new("runs/evaluations"));
    }
}
