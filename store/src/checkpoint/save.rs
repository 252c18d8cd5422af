//! The save: a new directory, everything in it durable, then one rename.
//!
//! ```text
//! mkdir step-N.tmp-PID → write and sync each file → sync the logs → write and sync MANIFEST.json → sync the directories
//!   → rename to step-N → sync checkpoints/ → only then prune
//! ```
//!
//! Whatever fails before the rename, the directory is removed and nothing has changed. An error never leaves a checkpoint behind that looks
//! good, and no file is synced twice in the hope that it works the second time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::blob::check_paths;
use super::manifest::FORMAT;
use super::prune::to_remove;
use super::verify::verify_with;
use super::{Blob, CheckpointMeta, FileEntry, MANIFEST, Manifest, checkpoints_dir, list_names, list_with, step_name};
use crate::error::{StoreError, failed};
use crate::fs::SaveFs;
use crate::hash::HashWriter;
use crate::logs::log_lengths;

/// Small writes are gathered to this; larger ones pass through.
const BUFFER: usize = 1 << 20;

/// What a save did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedCheckpoint {
    /// Where the checkpoint is.
    pub dir: PathBuf,
    /// Its step.
    pub step: u64,
    /// How long its files are together.
    pub bytes: u64,
    /// Whether the same checkpoint stood there already; then nothing was written.
    pub existed: bool,
    /// Steps whose checkpoints were removed.
    pub pruned: Vec<u64>,
    /// What went wrong after the checkpoint was safe: an old one that could not be removed, a link that could not be set.
    pub warnings: Vec<String>,
}

/// Saves the checkpoints of one run.
#[derive(Debug)]
pub(crate) struct Saver<'a> {
    pub(crate) fs: &'a dyn SaveFs,
    pub(crate) run: &'a Path,
    /// How many of the last checkpoints stay.
    pub(crate) keep: usize,
    /// Lengths of the logs as the last save of this process made them durable: these are not synced again.
    pub(crate) synced: &'a Mutex<BTreeMap<String, u64>>,
}

impl Saver<'_> {
    /// See [`crate::RunDir::save`].
    pub(crate) fn save(&self, step: u64, blobs: Vec<Blob<'_>>, meta: CheckpointMeta) -> Result<SavedCheckpoint, StoreError> {
        check_paths(blobs.iter().map(|b| b.path.as_str()))?;
        let needed = self.expected_bytes()?;
        self.check_space(needed)?;
        let temp = checkpoints_dir(self.run).join(format!("{}.tmp-{}", step_name(step), std::process::id()));
        self.remove_if_there(&temp)?;
        let mut written = 0;
        let done = self.fill(&temp, step, blobs, meta, &mut written).and_then(|manifest| self.commit(&temp, &manifest));
        let mut saved = done.map_err(|error| {
            let _ = self.remove_if_there(&temp); // The first error is the one to report.
            self.explain(error, needed.max(written))
        })?;
        self.prune(&mut saved);
        Ok(saved)
    }

    /// 1.2 times the last checkpoint, or 0 if there is none: the caller checks the first one before the run starts.
    fn expected_bytes(&self) -> Result<u64, StoreError> {
        let last = list_with(self.fs, self.run)?.into_iter().rev().find_map(|i| i.manifest.ok());
        Ok(last.map_or(0, |m| m.total_bytes().saturating_add(m.total_bytes() / 5)))
    }

    pub(crate) fn check_space(&self, needed: u64) -> Result<(), StoreError> {
        match self.fs.free_bytes(self.run) {
            Ok(free) if free < needed => Err(StoreError::NoSpace { path: self.run.to_owned(), needed, free }),
            _ => Ok(()), // A file system that cannot say how much is free gets its chance.
        }
    }

    /// Writes everything below `temp` and makes it durable.
    fn fill(&self, temp: &Path, step: u64, blobs: Vec<Blob<'_>>, meta: CheckpointMeta, written: &mut u64) -> Result<Manifest, StoreError> {
        self.fs.create_dir(temp).map_err(failed("create", temp))?;
        let mut dirs = BTreeSet::new();
        let mut files = BTreeMap::new();
        for blob in blobs {
            self.create_parents(temp, &blob.path, &mut dirs)?;
            let (path, mut write) = (temp.join(&blob.path), blob.write);
            let entry = self.write_file(&path, &mut *write, written)?;
            files.insert(blob.path, entry);
        }
        let logs = self.sync_logs()?;
        let meta = CheckpointMeta { score: meta.score.filter(|s| s.is_finite()), ..meta };
        let manifest = Manifest { format: FORMAT, step, files, logs, meta };
        let path = temp.join(MANIFEST);
        let bytes = manifest.to_bytes().map_err(|reason| StoreError::BadManifest { path: path.clone(), reason })?;
        self.write_file(&path, &mut |out| out.write_all(&bytes), written)?;
        for dir in dirs.iter().rev() {
            self.fs.sync_dir(dir).map_err(failed("sync", dir))?;
        }
        self.fs.sync_dir(temp).map_err(failed("sync", temp))?;
        Ok(manifest)
    }

    fn create_parents(&self, temp: &Path, path: &str, dirs: &mut BTreeSet<PathBuf>) -> Result<(), StoreError> {
        for (at, _) in path.match_indices('/') {
            let dir = temp.join(&path[..at]);
            if !dirs.contains(&dir) {
                self.fs.create_dir(&dir).map_err(failed("create", &dir))?;
                dirs.insert(dir);
            }
        }
        Ok(())
    }

    fn write_file(
        &self,
        path: &Path,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
        written: &mut u64,
    ) -> Result<FileEntry, StoreError> {
        let file = self.fs.create_file(path).map_err(failed("create", path))?;
        let mut out = BufWriter::with_capacity(BUFFER, HashWriter::new(file));
        let done = write(&mut out).and_then(|()| out.flush());
        // Not `into_inner`: after an error it would write what is left once more.
        let (hashed, rest) = out.into_parts();
        let (mut file, bytes, blake3) = hashed.finish();
        *written = written.saturating_add(bytes).saturating_add(rest.map_or(0, |r| r.len() as u64));
        done.map_err(failed("write", path))?;
        file.sync().map_err(failed("sync", path))?;
        Ok(FileEntry { bytes, blake3 })
    }

    /// Makes the logs durable up to the lengths that are returned.
    fn sync_logs(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let lengths = log_lengths(self.fs, self.run)?;
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dirs = BTreeSet::new();
        for (name, length) in &lengths {
            let path = self.run.join(name);
            if synced.get(name) != Some(length) {
                self.fs.sync_file(&path).map_err(failed("sync", &path))?;
            }
            if !synced.contains_key(name) {
                dirs.extend(path.parent().map(Path::to_owned));
            }
        }
        for dir in &dirs {
            self.fs.sync_dir(dir).map_err(failed("sync", dir))?;
        }
        synced.clone_from(&lengths);
        Ok(lengths)
    }

    /// Gives the finished directory its name.
    fn commit(&self, temp: &Path, manifest: &Manifest) -> Result<SavedCheckpoint, StoreError> {
        let parent = checkpoints_dir(self.run);
        let name = step_name(manifest.step);
        let dir = parent.join(&name);
        let mut saved = SavedCheckpoint {
            dir: dir.clone(),
            step: manifest.step,
            bytes: manifest.total_bytes(),
            existed: false,
            pruned: Vec::new(),
            warnings: Vec::new(),
        };
        if list_names(self.fs, self.run)?.contains(&name) {
            if self.stands(&dir, manifest)? {
                saved.existed = true;
                self.remove_if_there(temp)?;
                return self.fs.sync_dir(&parent).map_err(failed("sync", &parent)).map(|()| saved);
            }
            let aside = set_aside(self.fs, self.run, manifest.step)?;
            saved.warnings.push(format!("the damaged checkpoint that stood there is now `{}`", aside.display()));
        }
        self.fs.rename(temp, &dir).map_err(failed("rename", temp))?;
        if let Err(error) = self.fs.sync_dir(&parent) {
            // Nobody knows now whether the name would survive: it must not be taken for a checkpoint.
            let _ = self.fs.rename(&dir, temp);
            return Err(failed("sync", &parent)(error));
        }
        Ok(saved)
    }

    /// Whether a checkpoint with this content stands there; if it is damaged it does not, and if it is a good other one that is an error.
    /// Logs may have grown since: a resume from the old one takes them back to where it stood.
    fn stands(&self, dir: &Path, new: &Manifest) -> Result<bool, StoreError> {
        let old = match verify_with(self.fs, dir) {
            Ok(report) if report.is_good() => report.manifest,
            Err(error @ StoreError::NewerFormat { .. }) => return Err(error),
            _ => return Ok(false),
        };
        let differs = [
            ("its files", old.files != new.files),
            ("its versions", old.meta.versions != new.meta.versions),
            ("its configuration", old.meta.config_hash != new.meta.config_hash),
            ("its score", (old.meta.score, old.meta.best) != (new.meta.score, new.meta.best)),
            ("its state", old.meta.state != new.meta.state),
        ];
        let what: Vec<&str> = differs.iter().filter(|(_, d)| *d).map(|(what, _)| *what).collect();
        if what.is_empty() { Ok(true) } else { Err(StoreError::StepExists { dir: dir.to_owned(), what: what.join(" and ") }) }
    }

    /// Removes what may go. The new checkpoint is safe by now: what fails here is a warning.
    fn prune(&self, saved: &mut SavedCheckpoint) {
        let all = match list_with(self.fs, self.run) {
            Ok(all) => all,
            Err(error) => return saved.warnings.push(format!("nothing was pruned: {error}")),
        };
        let good: Vec<_> = all.iter().filter_map(|i| Some((i.step, i.manifest.as_ref().ok()?.meta.best))).collect();
        for step in to_remove(&good, self.keep).into_iter().filter(|step| *step != saved.step) {
            let dir = checkpoints_dir(self.run).join(step_name(step));
            let gone = dir.with_added_extension(format!("gone-{}", std::process::id()));
            // First out of sight in one step, so that a half-removed one is never taken for a damaged one.
            match self.fs.rename(&dir, &gone).and_then(|()| self.fs.remove(&gone)) {
                Ok(()) => saved.pruned.push(step),
                Err(error) => saved.warnings.push(format!("cannot remove `{}`: {error}", dir.display())),
            }
        }
    }

    fn remove_if_there(&self, path: &Path) -> Result<(), StoreError> {
        match self.fs.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
            _ => Ok(()),
        }
    }

    /// Says of a full disk how much is missing. Called when the unfinished files are gone again.
    fn explain(&self, error: StoreError, needed: u64) -> StoreError {
        match error {
            StoreError::Io { error, path, .. } if is_full(&error) => {
                StoreError::NoSpace { path, needed, free: self.fs.free_bytes(self.run).unwrap_or(0) }
            }
            other => other,
        }
    }
}

/// Whether a full disk is at the bottom of an error: a blob's closure may have wrapped it in errors of its own.
fn is_full(error: &io::Error) -> bool {
    let full = |e: &io::Error| matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<io::Error>().is_some_and(full) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Takes a checkpoint out of the sequence without losing it: it becomes `step-N.set-aside`, in place of an earlier one of that name.
pub(crate) fn set_aside(fs: &dyn SaveFs, run: &Path, step: u64) -> Result<PathBuf, StoreError> {
    let parent = checkpoints_dir(run);
    let dir = parent.join(step_name(step));
    let aside = dir.with_added_extension("set-aside");
    match fs.remove(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &aside)(error)),
        _ => {}
    }
    fs.rename(&dir, &aside).map_err(failed("rename", &dir))?;
    fs.sync_dir(&parent).map_err(failed("sync", &parent))?;
    Ok(aside)
}
