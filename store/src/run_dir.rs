//! One run: its directory, its lock, its files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::checkpoint::{
    Blob, Checkpoint, CheckpointInfo, CheckpointMeta, SavedCheckpoint, Saver, best_step, checkpoints_dir, latest_with, list_with,
    remove_leftovers, step_name,
};
use crate::error::{StoreError, failed};
use crate::events::EventFile;
use crate::fs::{DiskFs, SaveFs, write_whole};
use crate::lock::{LOCK, RunLock};
use crate::logs::{LogFile, METRICS, MetricsFile, ROLLOUTS, RolloutFile};

/// A run directory that this process has the lock of. The lock is free again when the value is dropped or the process ends.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    fs: Arc<dyn SaveFs>,
    keep: usize,
    synced: Mutex<BTreeMap<String, u64>>,
    _lock: RunLock,
}

impl RunDir {
    /// Makes the directory of a new run, and its parents, and takes its lock.
    ///
    /// # Errors
    /// [`StoreError::BadName`], [`StoreError::NameUsed`] if something stands there (an empty directory is free), [`StoreError::Io`].
    pub fn create(root: &Path, name: &str) -> Result<Self, StoreError> {
        if let Some(reason) = bad_name(name) {
            return Err(StoreError::BadName { name: name.to_owned(), reason });
        }
        let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        fs::create_dir_all(root).map_err(failed("create", root))?;
        let path = root.join(name);
        let used = || StoreError::NameUsed { name: name.to_owned(), path: path.clone() };
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // An empty one is free: whoever made it was killed before anything began.
                let free = fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none());
                if !free {
                    return Err(used());
                }
            }
            Err(error) => return Err(failed("create", &path)(error)),
        }
        let lock = RunLock::take(&path).map_err(|error| if matches!(error, StoreError::Locked { .. }) { used() } else { error })?;
        for dir in [checkpoints_dir(&path), path.join(ROLLOUTS)] {
            fs::create_dir(&dir).map_err(|e| if e.kind() == io::ErrorKind::AlreadyExists { used() } else { failed("create", &dir)(e) })?;
        }
        DiskFs.sync_dir(&path).map_err(failed("sync", &path))?;
        DiskFs.sync_dir(root).map_err(failed("sync", root))?;
        Ok(Self::new(path, lock))
    }

    /// Takes the lock of a run that is there, and removes what an interrupted save left.
    ///
    /// To look at a run that may be going on, use [`crate::checkpoints`] and [`crate::latest`], which need no lock.
    ///
    /// # Errors
    /// [`StoreError::NotARun`], [`StoreError::Locked`] naming the holder, [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.join(LOCK).is_file() {
            return Err(StoreError::NotARun { path: path.to_owned() });
        }
        let lock = RunLock::take(path)?;
        for dir in [checkpoints_dir(path), path.join(ROLLOUTS)] {
            fs::create_dir_all(&dir).map_err(failed("create", &dir))?;
        }
        let run = Self::new(path.to_owned(), lock);
        remove_leftovers(&*run.fs, path)?;
        Ok(run)
    }

    fn new(path: PathBuf, lock: RunLock) -> Self {
        Self { path, fs: Arc::new(DiskFs), keep: 2, synced: Mutex::default(), _lock: lock }
    }

    /// Keeps the last `keep` checkpoints, and the best, after each save; 2 if this is not called, and never less than 1.
    #[must_use]
    pub fn keeping(self, keep: usize) -> Self {
        Self { keep, ..self }
    }

    /// Saves through another file system: for tests that let operations fail.
    #[must_use]
    pub fn with_fs(self, fs: Arc<dyn SaveFs>) -> Self {
        Self { fs, ..self }
    }

    /// Saves a checkpoint. When this returns it survives a power loss, with all metrics, rollouts and events that were written before; killed at
    /// any moment before that, the last one is intact. What may be pruned is pruned afterwards.
    ///
    /// A step that has the same checkpoint already is left as it is; a damaged one in its place is set aside.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`] (nothing was written, or it is gone again), [`StoreError::BadBlob`], [`StoreError::StepExists`],
    /// [`StoreError::Io`] for what the system or a blob's closure refuses. After an error everything is as before, and a later save may
    /// succeed.
    pub fn save(&self, step: u64, blobs: Vec<Blob<'_>>, meta: CheckpointMeta) -> Result<SavedCheckpoint, StoreError> {
        let mut saved = self.saver().save(step, blobs, meta)?;
        if let Err(error) = self.set_links() {
            saved.warnings.push(error.to_string());
        }
        Ok(saved)
    }

    /// Refuses if less than `needed` bytes are free: call it before the first step with an estimate of one checkpoint. Each save asks again,
    /// for 1.2 times the checkpoint before it.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`].
    pub fn check_space(&self, needed: u64) -> Result<(), StoreError> {
        self.saver().check_space(needed)
    }

    fn saver(&self) -> Saver<'_> {
        Saver { fs: &*self.fs, run: &self.path, keep: self.keep, synced: &self.synced }
    }

    pub(crate) fn forget_synced(&self) {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// As [`crate::checkpoints`].
    ///
    /// # Errors
    /// As there.
    pub fn checkpoints(&self) -> Result<Vec<CheckpointInfo>, StoreError> {
        list_with(&*self.fs, &self.path)
    }

    /// As [`crate::latest`].
    ///
    /// # Errors
    /// As there.
    pub fn latest(&self) -> Result<Option<Checkpoint>, StoreError> {
        latest_with(&*self.fs, &self.path)
    }

    /// The best checkpoint of the run, every file compared with its manifest; `None` if none was called best.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn best(&self) -> Result<Option<Checkpoint>, StoreError> {
        let best = self.checkpoints()?.into_iter().find(|info| info.best);
        best.map(|info| Checkpoint::open_with(&*self.fs, &info.dir)).transpose()
    }

    /// Where the run is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its checkpoints are.
    #[must_use]
    pub fn checkpoints_dir(&self) -> PathBuf {
        checkpoints_dir(&self.path)
    }

    /// Where its resolved configuration is.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// Writes the resolved configuration, whole or not at all.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn write_config(&self, toml: &str) -> Result<(), StoreError> {
        write_whole(&DiskFs, &self.config_path(), toml.as_bytes())
    }

    /// Reads the resolved configuration.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn read_config(&self) -> Result<String, StoreError> {
        let path = self.config_path();
        fs::read_to_string(&path).map_err(failed("read", path))
    }

    /// Opens `metrics.jsonl` at its end.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn metrics(&self) -> Result<MetricsFile, StoreError> {
        MetricsFile::open(&self.path.join(METRICS))
    }

    /// Opens `rollouts/step_N.jsonl` at its end.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn rollouts(&self, step: u64) -> Result<RolloutFile, StoreError> {
        RolloutFile::open(&self.path.join(ROLLOUTS).join(format!("step_{step}.jsonl")))
    }

    /// Starts a new event file; see [`EventFile::create`].
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn events(&self, wall_time: f64, purge_step: Option<u64>) -> Result<EventFile, StoreError> {
        EventFile::create(&self.path, wall_time, purge_step)
    }

    /// Opens `log.txt` at its end.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn log(&self) -> Result<LogFile, StoreError> {
        LogFile::open(&self.path.join("log.txt"))
    }

    /// Points `last` and `best` at their checkpoints, for people.
    fn set_links(&self) -> Result<(), StoreError> {
        let good: Vec<_> = self.checkpoints()?.into_iter().filter_map(|i| Some((i.step, i.manifest.ok()?.meta.best))).collect();
        let last = good.iter().map(|(step, _)| *step).max();
        for (name, step) in [("last", last), ("best", best_step(good))] {
            let link = self.checkpoints_dir().join(name);
            let temp = link.with_added_extension("tmp");
            let set = match step {
                None => fs::remove_file(&link),
                Some(step) => {
                    let _ = fs::remove_file(&temp); // Left by a process that was killed here.
                    symlink(step_name(step), &temp).and_then(|()| fs::rename(&temp, &link))
                }
            };
            match set {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("link", &link)(error)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn bad_name(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("is empty"),
        _ if name.starts_with('.') => Some("starts with a dot"),
        _ if name.contains('/') => Some("contains a slash"),
        _ if name.chars().any(char::is_control) => Some("contains a control character"),
        _ if name.len() > 200 => Some("has more than 200 bytes"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::list_names;
    use crate::testing::{run_with_checkpoints, save, save_best};

    #[test]
    fn a_used_name_is_refused_with_both_ways_out_and_an_empty_directory_is_free() {
        let root = tempfile::tempdir().unwrap();
        let first = RunDir::create(root.path(), "demo").unwrap();
        let text = RunDir::create(root.path(), "demo").unwrap_err().to_string();
        assert!(text.contains("--resume") && text.contains("run.name") && text.contains("demo"), "{text}");
        drop(first);
        assert!(matches!(RunDir::create(root.path(), "demo"), Err(StoreError::NameUsed { .. })));
        fs::create_dir(root.path().join("empty")).unwrap();
        RunDir::create(root.path(), "empty").unwrap();
    }

    #[test]
    fn a_name_is_one_visible_directory() {
        let root = tempfile::tempdir().unwrap();
        for bad in ["", ".", "..", ".hidden", "a/b", "/a", "a\nb", &"x".repeat(201)] {
            assert!(matches!(RunDir::create(root.path(), bad), Err(StoreError::BadName { .. })), "{bad:?}");
        }
        RunDir::create(root.path(), "grpo 1 é").unwrap();
    }

    /// Row L7 of the fault matrix, in one process.
    #[test]
    fn a_second_learner_is_refused_until_the_first_is_gone() {
        let (_root, run) = run_with_checkpoints(&[1]);
        let path = run.path().to_owned();
        let text = RunDir::open(&path).unwrap_err().to_string();
        assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
        assert_eq!(crate::latest(&path).unwrap().unwrap().step(), 1, "looking needs no lock");
        drop(run);
        assert_eq!(RunDir::open(&path).unwrap().latest().unwrap().unwrap().step(), 1);
    }

    #[test]
    fn a_directory_that_is_no_run_is_not_made_into_one() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(RunDir::open(dir.path()), Err(StoreError::NotARun { .. })));
        assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
    }

    #[test]
    fn what_an_interrupted_save_left_is_removed_at_open_and_nothing_else_is() {
        let (_root, run) = run_with_checkpoints(&[1]);
        let (dir, path) = (run.checkpoints_dir(), run.path().to_owned());
        for name in ["step-2.tmp-99", "step-0.gone-7", "step-9.set-aside", "mine"] {
            fs::create_dir(dir.join(name)).unwrap();
            fs::write(dir.join(name).join("x"), "y").unwrap();
        }
        assert_eq!(run.latest().unwrap().unwrap().step(), 1);
        drop(run);
        let run = RunDir::open(&path).unwrap();
        assert_eq!(list_names(&DiskFs, run.path()).unwrap(), ["last", "mine", "step-1", "step-9.set-aside"]);
    }

    #[test]
    fn the_last_ones_and_the_best_stay_and_the_links_follow() {
        let (_root, run) = run_with_checkpoints(&[1]);
        save_best(&run, 2).unwrap();
        save(&run, 3).unwrap();
        let saved = save(&run, 4).unwrap();
        assert_eq!((saved.pruned, saved.warnings), (vec![], vec![]));
        assert_eq!(save(&run, 5).unwrap().pruned, [3]);
        let steps: Vec<u64> = run.checkpoints().unwrap().iter().map(|i| i.step).collect();
        assert_eq!(steps, [2, 4, 5]);
        assert_eq!(run.best().unwrap().unwrap().step(), 2);
        let link = |name: &str| fs::read_link(run.checkpoints_dir().join(name)).unwrap();
        assert_eq!((link("best"), link("last")), (PathBuf::from("step-2"), PathBuf::from("step-5")));
    }

    #[test]
    fn a_damaged_checkpoint_does_not_push_a_good_one_out() {
        let (_root, run) = run_with_checkpoints(&[1, 2]);
        fs::remove_file(run.checkpoints_dir().join("step-2/config.json")).unwrap();
        assert_eq!(save(&run, 3).unwrap().pruned, [] as [u64; 0], "1 and 3 are the last two good ones");
        assert_eq!(save(&run, 4).unwrap().pruned, [1]);
        assert!(run.checkpoints_dir().join("step-2").exists(), "damaged ones are left to people");
    }

    #[test]
    fn a_config_is_read_as_it_was_written() {
        let (_root, run) = run_with_checkpoints(&[]);
        run.write_config("a = 1\n").unwrap();
        run.write_config("a = 2\n").unwrap();
        assert_eq!(run.read_config().unwrap(), "a = 2\n");
    }
}
