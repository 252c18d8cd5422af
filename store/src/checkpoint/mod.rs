//! Checkpoints: how one is saved, found again, verified and let go.

mod blob;
mod find;
mod manifest;
mod prune;
mod save;
#[cfg(test)]
mod save_tests;
mod seal;
mod verify;

use std::path::{Path, PathBuf};

use crate::error::{StoreError, failed};
use crate::fs::SaveFs;

pub use blob::{Blob, BlobWriter};
pub use find::{Checkpoint, CheckpointInfo, Skipped, checkpoints, latest};
pub(crate) use find::{existing, latest_with, list_names, list_with};
pub use manifest::{CheckpointMeta, FileEntry, MANIFEST, Manifest};
pub(crate) use prune::best_step;
pub use save::SavedCheckpoint;
pub(crate) use save::{Saver, set_aside};
pub use verify::{FileState, FileVerdict, VerifyReport, verify};

/// Where the checkpoints of a run stand.
pub(crate) fn checkpoints_dir(run: &Path) -> PathBuf {
    run.join("checkpoints")
}

/// The name of the directory of a step.
pub(crate) fn step_name(step: u64) -> String {
    format!("step-{step}")
}

/// The step that a directory's name stands for; nothing else counts as a checkpoint.
pub(crate) fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.parse().ok()?;
    (step_name(step) == name).then_some(step)
}

/// Whether a name is that of a save that never ended, or of a checkpoint on its way out: either may be removed by whoever has the lock.
pub(crate) fn is_leftover(name: &str) -> bool {
    name.starts_with("step-") && (name.contains(".tmp-") || name.contains(".gone-"))
}

/// Removes what an interrupted save left. For whoever has the lock.
pub(crate) fn remove_leftovers(fs: &dyn SaveFs, run: &Path) -> Result<(), StoreError> {
    for name in list_names(fs, run)?.iter().filter(|name| is_leftover(name)) {
        let left = checkpoints_dir(run).join(name);
        fs.remove(&left).map_err(failed("remove", &left))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_name_of_a_step_is_a_checkpoint() {
        assert_eq!(step_of("step-0"), Some(0));
        assert_eq!(step_of("step-120"), Some(120));
        for other in ["step-", "step-01", "step-+1", "step-1.tmp-7", "step-1.set-aside", "best", "Step-1", "step-18446744073709551616"] {
            assert_eq!(step_of(other), None, "{other}");
        }
        assert!(is_leftover("step-1.tmp-7") && is_leftover("step-1.gone-7"));
        assert!(!is_leftover("step-1") && !is_leftover("step-1.set-aside") && !is_leftover("mine.tmp-7"));
    }
}
