//! What can go wrong in a run directory, worded for the person who has to mend it.

use std::io;
use std::path::{Path, PathBuf};

use crate::checkpoint::Skipped;

/// An error of the run directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system refused an operation.
    #[error("cannot {action} `{path}`: {error}")]
    Io {
        /// What was tried: "write", "sync", …
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A new run was to have the name of an old one.
    #[error("run name `{name}` is used already (`{path}`): go on with `--resume`, or choose another `run.name`")]
    NameUsed {
        /// The name.
        name: String,
        /// The run that has it.
        path: PathBuf,
    },
    /// A name that cannot be a directory's.
    #[error("run name {name:?} {reason}: choose another `run.name`")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no run at this place.
    #[error("`{path}` is not a run directory: it has no file `lock`; give the directory that `train` printed")]
    NotARun {
        /// The place.
        path: PathBuf,
    },
    /// Somebody else learns here.
    #[error("run `{path}` is in use by {holder}: wait until it has ended or stop it, or choose another `run.name`")]
    Locked {
        /// The run.
        path: PathBuf,
        /// Its pid and host.
        holder: String,
    },
    /// A checkpoint does not fit on the disk.
    #[error("no space for a checkpoint in `{path}`: at least {needed} bytes are needed and {free} are free; make room or move `run.root`")]
    NoSpace {
        /// Where it was to be written.
        path: PathBuf,
        /// Bytes that are needed, as far as known.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A step was to be saved twice, and the two differ.
    #[error("checkpoint `{dir}` exists already and differs in {what}; resume from it, or move it away")]
    StepExists {
        /// The checkpoint that is there.
        dir: PathBuf,
        /// What differs.
        what: String,
    },
    /// A blob cannot have this path.
    #[error("a checkpoint cannot hold a file named {path:?}: {reason}")]
    BadBlob {
        /// The path that was asked for.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The manifest is missing, damaged or not one.
    #[error("`{path}` is not a good manifest: {reason}")]
    BadManifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The checkpoint was written by a newer version of this program.
    #[error("`{path}` has format {found} and this version reads up to {supported}: use the version that wrote it, or a newer one")]
    NewerFormat {
        /// The manifest.
        path: PathBuf,
        /// The format it has.
        found: u64,
        /// The newest format known here.
        supported: u32,
    },
    /// A file of a checkpoint is not what its manifest says.
    #[error("checkpoint `{dir}` is damaged: {what}; take an earlier one (`collimate ckpt ls`)")]
    Damaged {
        /// The checkpoint.
        dir: PathBuf,
        /// Which files, and how.
        what: String,
    },
    /// There are checkpoints, and every one is damaged.
    #[error("no checkpoint in `{path}` is good: {}; start anew under another `run.name`, or bring one back from a copy", list(.skipped))]
    NoneGood {
        /// The directory of the checkpoints.
        path: PathBuf,
        /// Each of them, and why.
        skipped: Vec<Skipped>,
    },
    /// A run was to resume from another run's checkpoint.
    #[error("checkpoint `{dir}` does not belong to run `{run}`: start a new run from it with `--fork` or `--init-from`")]
    Foreign {
        /// The checkpoint.
        dir: PathBuf,
        /// The run.
        run: PathBuf,
    },
    /// A metric has a name that the line of metrics uses itself.
    #[error("a metric cannot be named `{name}`: a line of metrics uses that name itself")]
    ReservedMetric {
        /// The name.
        name: String,
    },
    /// A line of metrics cannot be read.
    #[error("{path}:{line}: not a line of metrics: {reason}")]
    BadMetrics {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A value has no JSON form.
    #[error("cannot write a line to `{path}`: {reason}")]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file was written to while it was being hashed.
    #[error("`{path}` changed while it was being read: let its writer finish and try again")]
    Changing {
        /// The file.
        path: PathBuf,
    },
}

fn list(skipped: &[Skipped]) -> String {
    skipped.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Names the action and the path of a system error: `fs::rename(..).map_err(failed("rename", path))`.
pub(crate) fn failed(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.as_ref().to_owned();
    move |error| StoreError::Io { action, path, error }
}
