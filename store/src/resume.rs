//! Takes a run back to the moment of a checkpoint.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::checkpoint::{Checkpoint, existing, set_aside};
use crate::error::{StoreError, failed};
use crate::fs::{DiskFs, SaveFs};
use crate::logs::log_lengths;

/// What a resume changed. All paths are relative to the run directory but for those of checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resumed {
    /// Later checkpoints, which are no part of the run any more; they are kept under these names.
    pub set_aside: Vec<PathBuf>,
    /// Logs that were cut back, and by how many bytes.
    pub truncated: BTreeMap<String, u64>,
    /// Logs that the checkpoint did not know.
    pub removed: Vec<String>,
    /// Logs that are missing or shorter than the checkpoint says, and by how many bytes. Training is not touched by it, but the logs will not be
    /// those of an undisturbed run: say so.
    pub short: BTreeMap<String, u64>,
}

/// Sets later checkpoints aside, then takes every log to its length in `logs`. Doing it twice, or after having been killed half-way, ends the
/// same.
pub(crate) fn rewind(fs: &dyn SaveFs, run: &Path, step: Option<u64>, logs: &BTreeMap<String, u64>) -> Result<Resumed, StoreError> {
    let mut done = Resumed::default();
    // First these: their manifests tell of logs that are about to be cut.
    for later in existing(fs, run)?.into_iter().filter(|s| step.is_none_or(|step| *s > step)) {
        done.set_aside.push(set_aside(fs, run, later)?);
    }
    let present = log_lengths(fs, run)?;
    for (name, have) in &present {
        let path = run.join(name);
        match logs.get(name) {
            None => {
                fs.remove(&path).map_err(failed("remove", &path))?;
                done.removed.push(name.clone());
            }
            Some(want) if want < have => {
                fs.truncate(&path, *want).map_err(failed("truncate", &path))?;
                done.truncated.insert(name.clone(), have - want);
            }
            Some(want) if want > have => {
                end_line(fs, &path, name, *have).map_err(failed("truncate", &path))?;
                done.short.insert(name.clone(), want - have);
            }
            Some(_) => {}
        }
    }
    let missing = logs.iter().filter(|(name, _)| !present.contains_key(*name));
    done.short.extend(missing.map(|(name, want)| (name.clone(), *want)));
    Ok(done)
}

/// Whether a checkpoint stands among those of this run.
pub(crate) fn belongs(checkpoint: &Checkpoint, checkpoints: &Path) -> bool {
    let same = || Some(fs::canonicalize(checkpoint.dir.parent()?).ok()? == fs::canonicalize(checkpoints).ok()?);
    same().unwrap_or(false)
}

/// A file that lost its end may stop inside a line; the next line must not be glued to it.
fn end_line(fs: &dyn SaveFs, path: &Path, name: &str, have: u64) -> io::Result<()> {
    if !name.ends_with(".jsonl") {
        return Ok(());
    }
    let mut file = fs.open(path)?;
    let (mut chunk, mut at, mut end) = (vec![0; 1 << 16], 0, 0);
    loop {
        let got = file.read(&mut chunk)?;
        if got == 0 {
            break;
        }
        end = chunk[..got].iter().rposition(|byte| *byte == b'\n').map_or(end, |last| at + last as u64 + 1);
        at += got as u64;
    }
    if end < have { fs.truncate(path, end) } else { Ok(()) }
}

impl crate::RunDir {
    /// Takes the run back to a checkpoint: metrics, rollouts and events to the lengths its manifest says, logs that it does not know away, and
    /// later checkpoints (damaged ones, or those of a course that is being left) to `step-N.set-aside`. Open the files after this, and
    /// start a new event file with the step after the checkpoint's as its purge step.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] for another run's checkpoint, [`StoreError::Io`].
    pub fn resume(&self, checkpoint: &Checkpoint) -> Result<Resumed, StoreError> {
        if !belongs(checkpoint, &self.checkpoints_dir()) {
            return Err(StoreError::Foreign { dir: checkpoint.dir.clone(), run: self.path().to_owned() });
        }
        self.forget_synced();
        rewind(&DiskFs, self.path(), Some(checkpoint.step()), &checkpoint.manifest.logs)
    }

    /// Takes a run that has no checkpoint yet back to its beginning: all metrics, rollouts and events go.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn restart(&self) -> Result<Resumed, StoreError> {
        self.forget_synced();
        rewind(&DiskFs, self.path(), None, &BTreeMap::new())
    }
}

#[cfg(test)]
mod tests {
    use collimate_types::Metrics;

    use super::*;
    use crate::testing::{grow, run_with_checkpoints, save, tree};

    #[test]
    fn what_a_resumed_run_adds_is_what_an_undisturbed_run_would_have_added() {
        let (_root, run) = run_with_checkpoints(&[]);
        for step in 1..=6 {
            grow(&run, step);
            if step == 3 {
                save(&run, step).unwrap();
            }
        }
        let undisturbed = tree(run.path(), &["metrics.jsonl", "rollouts"]);
        let found = run.latest().unwrap().unwrap();
        let done = run.resume(&found).unwrap();
        assert_eq!(done.removed, ["rollouts/step_4.jsonl", "rollouts/step_5.jsonl", "rollouts/step_6.jsonl"]);
        assert_eq!(done.truncated.keys().collect::<Vec<_>>(), ["metrics.jsonl"]);
        assert_eq!(crate::read_metrics(&run.path().join("metrics.jsonl")).unwrap().last().unwrap().step, 3);
        assert_eq!(run.resume(&found).unwrap(), Resumed::default(), "a second time there is nothing to do");
        (4..=6).for_each(|step| grow(&run, step));
        assert_eq!(tree(run.path(), &["metrics.jsonl", "rollouts"]), undisturbed);
    }

    #[test]
    fn events_are_cut_to_the_manifest_and_files_of_a_later_start_go() {
        let (_root, run) = run_with_checkpoints(&[]);
        let mut events = run.events(100.0, None).unwrap();
        events.scalars(1, 100.0, &Metrics::default()).unwrap();
        let kept = fs::read(events.path()).unwrap();
        save(&run, 1).unwrap();
        events.scalars(2, 101.0, &Metrics::default()).unwrap();
        let later = run.events(200.0, Some(2)).unwrap();
        run.resume(&run.latest().unwrap().unwrap()).unwrap();
        assert_eq!(fs::read(events.path()).unwrap(), kept);
        assert!(!later.path().exists());
    }

    #[test]
    fn later_checkpoints_are_set_aside_and_their_steps_can_be_saved_again() {
        let (_root, run) = run_with_checkpoints(&[1, 2]);
        let weights = run.checkpoints_dir().join("step-2/model.safetensors");
        fs::write(&weights, "damaged").unwrap();
        let found = run.latest().unwrap().unwrap();
        let done = run.resume(&found).unwrap();
        assert_eq!((found.step(), done.set_aside), (1, vec![run.checkpoints_dir().join("step-2.set-aside")]));
        save(&run, 2).unwrap();
        assert_eq!(run.latest().unwrap().unwrap().step(), 2);
        assert!(run.checkpoints_dir().join("step-2.set-aside").exists());
    }

    #[test]
    fn a_checkpoint_of_another_run_is_refused() {
        let (_root, run) = run_with_checkpoints(&[1]);
        let (_other, other) = run_with_checkpoints(&[1]);
        let error = run.resume(&other.latest().unwrap().unwrap()).unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }) && error.to_string().contains("--fork"), "{error}");
    }

    #[test]
    fn logs_that_lost_their_end_are_named_and_never_glued_to_the_next_line() {
        let (_root, run) = run_with_checkpoints(&[]);
        grow(&run, 1);
        grow(&run, 2);
        save(&run, 2).unwrap();
        let path = run.path().join("metrics.jsonl");
        let whole = fs::metadata(&path).unwrap().len();
        DiskFs.truncate(&path, whole - 3).unwrap();
        fs::remove_file(run.path().join("rollouts/step_1.jsonl")).unwrap();
        let done = run.resume(&run.latest().unwrap().unwrap()).unwrap();
        assert_eq!(done.short.keys().collect::<Vec<_>>(), ["metrics.jsonl", "rollouts/step_1.jsonl"]);
        grow(&run, 3);
        assert_eq!(crate::read_metrics(&path).unwrap().iter().map(|l| l.step).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn a_run_killed_before_its_first_save_starts_from_nothing() {
        let (_root, run) = run_with_checkpoints(&[]);
        grow(&run, 1);
        run.restart().unwrap();
        assert!(!run.path().join("metrics.jsonl").exists() && !run.path().join("rollouts/step_1.jsonl").exists());
    }
}
