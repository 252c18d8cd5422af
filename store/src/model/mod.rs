//! A model of a disk, and the save protocol on it: for tests, for the simulator, and for whoever doubts the promise.
//!
//! [`MemFs`] keeps what was synced and, of the rest, whatever the test picks; it can refuse any call with any error. What runs on it is the
//! very code that runs on a disk. [`sweep`] tries every place where a save or a resume can be hit.

mod mem_fs;
pub mod sweep;

use std::path::Path;
use std::sync::Mutex;

pub use mem_fs::{Call, MemFs, Trouble};

use crate::checkpoint::{Saver, checkpoints_dir, latest_with, remove_leftovers};
use crate::error::failed;
use crate::fs::SaveFs;
use crate::resume::rewind;
use crate::{Blob, Checkpoint, CheckpointMeta, Resumed, SavedCheckpoint, StoreError};

/// Makes an empty run directory, durably.
///
/// # Errors
/// [`StoreError::Io`].
pub fn create(fs: &dyn SaveFs, run: &Path) -> Result<(), StoreError> {
    let parent = run.parent().unwrap_or(run);
    fs.create_dir(run).map_err(failed("create", run))?;
    fs.create_dir(&checkpoints_dir(run)).map_err(failed("create", run))?;
    fs.sync_dir(parent).and_then(|()| fs.sync_dir(run)).map_err(failed("sync", run))
}

/// As [`crate::RunDir::save`], on any file system and without a lock, by a process that has saved nothing yet.
///
/// # Errors
/// As there.
pub fn save(
    fs: &dyn SaveFs,
    run: &Path,
    keep: usize,
    step: u64,
    blobs: Vec<Blob<'_>>,
    meta: CheckpointMeta,
) -> Result<SavedCheckpoint, StoreError> {
    Saver { fs, run, keep, synced: &Mutex::default() }.save(step, blobs, meta)
}

/// As [`crate::latest`], on any file system.
///
/// # Errors
/// As there.
pub fn latest(fs: &dyn SaveFs, run: &Path) -> Result<Option<Checkpoint>, StoreError> {
    latest_with(fs, run)
}

/// As [`crate::RunDir::open`] and [`crate::RunDir::resume`] (or [`crate::RunDir::restart`] without a checkpoint), on any file system.
///
/// # Errors
/// As there.
pub fn resume(fs: &dyn SaveFs, run: &Path, from: Option<&Checkpoint>) -> Result<Resumed, StoreError> {
    remove_leftovers(fs, run)?;
    let none = std::collections::BTreeMap::new();
    rewind(fs, run, from.map(Checkpoint::step), from.map_or(&none, |c| &c.manifest.logs))
}
