//! Finding checkpoints again. `latest` is computed from what is there; no file or link is asked.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::verify::{verify_sizes, verify_with};
use super::{Manifest, best_step, checkpoints_dir, step_name, step_of};
use crate::error::{StoreError, failed};
use crate::fs::{DiskFs, SaveFs};
use crate::hash::hash_bytes;

/// A checkpoint whose every file was compared with its manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Where it is.
    pub dir: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    /// Later ones that were passed over to find it, newest first. If there are any, the run must say so loudly.
    pub skipped: Vec<Skipped>,
}

/// A checkpoint that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is.
    pub dir: PathBuf,
    /// What is wrong with it, naming the files.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.dir.display(), self.reason)
    }
}

/// A line of a listing. Contents are not read: [`crate::verify`] does that.
#[derive(Debug)]
pub struct CheckpointInfo {
    /// Its step.
    pub step: u64,
    /// Where it is.
    pub dir: PathBuf,
    /// What it holds, or why it is not good as far as sizes tell.
    pub manifest: Result<Manifest, StoreError>,
    /// Whether it is the best of the run.
    pub best: bool,
}

impl Checkpoint {
    /// Opens any checkpoint, in a run or copied out of one, and compares every file with its manifest.
    ///
    /// # Errors
    /// As [`crate::verify`]; [`StoreError::Damaged`] names every file that is not right.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(&DiskFs, dir)
    }

    pub(crate) fn open_with(fs: &dyn SaveFs, dir: &Path) -> Result<Self, StoreError> {
        let report = verify_with(fs, dir)?;
        if !report.is_good() {
            return Err(StoreError::Damaged { dir: dir.to_owned(), what: report.summary() });
        }
        Ok(Self { dir: dir.to_owned(), manifest: report.manifest, skipped: Vec::new() })
    }

    /// The step it was taken after.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.manifest.step
    }

    /// Where one of its files is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Reads one of its files and compares it with the manifest once more.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the manifest does not know the file, or if it is not what the manifest says; [`StoreError::Io`] if it cannot be
    /// read.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let damaged = |what: String| StoreError::Damaged { dir: self.dir.clone(), what };
        let Some(entry) = self.manifest.files.get(name) else {
            let known: Vec<&str> = self.manifest.files.keys().map(String::as_str).collect();
            return Err(damaged(format!("it has no `{name}`, only {}", known.join(", "))));
        };
        let path = self.path(name);
        let bytes = fs::read(&path).map_err(failed("read", &path))?;
        if hash_bytes(&bytes) != entry.blake3 {
            return Err(damaged(format!("`{name}` changed after it was verified")));
        }
        Ok(bytes)
    }
}

/// The checkpoints of a run, in the order of their steps. Takes no lock and writes nothing.
///
/// # Errors
/// [`StoreError::Io`] if the directory of the checkpoints cannot be listed. A damaged checkpoint is listed with what is wrong.
pub fn checkpoints(run: &Path) -> Result<Vec<CheckpointInfo>, StoreError> {
    list_with(&DiskFs, run)
}

/// The checkpoint to resume from: the highest step of which every file is right. Takes no lock and writes nothing.
///
/// `None` means that there is no checkpoint at all: the run may start from its first step. Damaged ones that were passed over are in
/// [`Checkpoint::skipped`].
///
/// # Errors
/// [`StoreError::NoneGood`] if there are checkpoints and none is good: never a silent start from the beginning.
/// [`StoreError::NewerFormat`] if a newer version of this program wrote the last one: nothing older is offered in its place.
pub fn latest(run: &Path) -> Result<Option<Checkpoint>, StoreError> {
    latest_with(&DiskFs, run)
}

pub(crate) fn latest_with(fs: &dyn SaveFs, run: &Path) -> Result<Option<Checkpoint>, StoreError> {
    let path = checkpoints_dir(run);
    let mut skipped = Vec::new();
    for step in existing(fs, run)?.into_iter().rev() {
        let dir = path.join(step_name(step));
        match Checkpoint::open_with(fs, &dir) {
            Ok(found) if found.step() == step => return Ok(Some(Checkpoint { skipped, ..found })),
            Ok(found) => skipped.push(Skipped { dir, reason: format!("its manifest is of step {}", found.step()) }),
            Err(error @ StoreError::NewerFormat { .. }) => return Err(error),
            Err(StoreError::Damaged { what, .. }) => skipped.push(Skipped { dir, reason: what }),
            Err(error) => skipped.push(Skipped { dir, reason: error.to_string() }),
        }
    }
    if skipped.is_empty() { Ok(None) } else { Err(StoreError::NoneGood { path, skipped }) }
}

pub(crate) fn list_with(fs: &dyn SaveFs, run: &Path) -> Result<Vec<CheckpointInfo>, StoreError> {
    let mut infos = Vec::new();
    for step in existing(fs, run)? {
        let dir = checkpoints_dir(run).join(step_name(step));
        let manifest = match verify_sizes(fs, &dir) {
            Ok(report) if !report.is_good() => Err(StoreError::Damaged { dir: dir.clone(), what: report.summary() }),
            Ok(report) => Ok(report.manifest),
            Err(error) => Err(error),
        };
        infos.push(CheckpointInfo { step, dir, manifest, best: false });
    }
    let best = best_step(infos.iter().filter_map(|i| Some((i.step, i.manifest.as_ref().ok()?.meta.best))));
    for info in &mut infos {
        info.best = Some(info.step) == best;
    }
    Ok(infos)
}

/// The steps that have a checkpoint, good or not, ascending.
pub(crate) fn existing(fs: &dyn SaveFs, run: &Path) -> Result<Vec<u64>, StoreError> {
    let mut steps: Vec<u64> = list_names(fs, run)?.iter().filter_map(|name| step_of(name)).collect();
    steps.sort_unstable();
    Ok(steps)
}

/// The names of the directories beside the checkpoints, checkpoints included.
pub(crate) fn list_names(fs: &dyn SaveFs, run: &Path) -> Result<Vec<String>, StoreError> {
    let path = checkpoints_dir(run);
    let entries = fs.list(&path).map_err(failed("list", &path))?;
    Ok(entries.into_iter().filter(|e| e.is_dir).map(|e| e.name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::run_with_checkpoints;

    fn flip(path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        bytes[9] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_damaged_checkpoint_is_named_and_the_one_before_is_offered() {
        let (_root, run) = run_with_checkpoints(&[9, 10]);
        assert_eq!(run.latest().unwrap().unwrap().step(), 10);
        flip(&run.checkpoints_dir().join("step-10/model.safetensors"));
        let found = run.latest().unwrap().unwrap();
        assert_eq!((found.step(), found.skipped.len()), (9, 1));
        assert!(found.skipped[0].to_string().contains("`model.safetensors` has BLAKE3"), "{}", found.skipped[0]);
        flip(&run.checkpoints_dir().join("step-9/MANIFEST.json"));
        let error = run.latest().unwrap_err();
        assert!(matches!(&error, StoreError::NoneGood { skipped, .. } if skipped.len() == 2), "{error}");
    }

    #[test]
    fn a_run_without_checkpoints_has_no_latest_and_a_manifest_in_the_wrong_place_counts_for_nothing() {
        let (_root, run) = run_with_checkpoints(&[]);
        assert_eq!(run.latest().unwrap(), None);
        let (_root, run) = run_with_checkpoints(&[3]);
        fs::rename(run.checkpoints_dir().join("step-3"), run.checkpoints_dir().join("step-4")).unwrap();
        assert!(run.latest().unwrap_err().to_string().contains("its manifest is of step 3"));
    }

    #[test]
    fn a_file_is_read_only_if_it_is_still_what_the_manifest_says() {
        let (_root, run) = run_with_checkpoints(&[3]);
        let found = run.latest().unwrap().unwrap();
        assert_eq!(found.read("config.json").unwrap(), br#"{"step":3}"#);
        assert!(found.read("nothing").unwrap_err().to_string().contains("it has no `nothing`, only config.json"));
        flip(&found.path("config.json"));
        assert!(found.read("config.json").unwrap_err().to_string().contains("changed after it was verified"));
    }
}
