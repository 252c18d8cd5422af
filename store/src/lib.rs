//! The run directory: atomic checkpoints, manifest, lock, metrics and event files.
//!
//! ```text
//! <root>/<run.name>/
//!   lock                        who learns here (pid, host); the lock itself is the kernel's
//!   config.toml                 the resolved configuration
//!   metrics.jsonl               one line a step
//!   events.out.tfevents.*       the same for TensorBoard
//!   rollouts/step_N.jsonl       samples
//!   log.txt                     what was said
//!   checkpoints/step-N/         a Hugging Face model directory, `trainer/`, and MANIFEST.json
//!   checkpoints/{last,best}     links for people; nothing here reads them
//! ```
//!
//! Three promises, each held by a test:
//!
//! 1. Killed or unplugged at any operation of a save, the previous checkpoint is intact, and [`RunDir::latest`] finds the old one or the
//!    new one, never a mix (`checkpoint/save_tests.rs`).
//! 2. One flipped bit in any file of a checkpoint, its manifest included, is found by [`verify`] (`checkpoint/verify.rs`).
//! 3. [`RunDir::resume`] takes metrics, rollouts and events back to the lengths that the checkpoint wrote down, so that what a run adds
//!    after a crash is what it would have added without one (`resume.rs`).
//!
//! ```
//! use collimate_store::{Blob, CheckpointMeta, RunDir};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let root = tempfile::tempdir()?;
//! let run = RunDir::create(root.path(), "grpo-1")?.keeping(3);
//! run.metrics()?.append(1, &collimate_types::Metrics::default())?;
//! let weights = Blob::new("model.safetensors", |out| out.write_all(b"..."));
//! run.save(1, vec![weights], CheckpointMeta::default())?;
//!
//! match run.latest()? {
//!     Some(checkpoint) => run.resume(&checkpoint)?, // say what was skipped: `checkpoint.skipped`
//!     None => run.restart()?,
//! };
//! # Ok(())
//! # }
//! ```
//!
//! The save protocol can be run on a model of a disk that loses power and refuses calls: [`model`].
//!
//! This crate reads no clock: where a time is written, it is passed in.

mod checkpoint;
mod error;
mod events;
mod fs;
mod hash;
mod lock;
mod logs;
pub mod model;
mod resume;
mod run_dir;
#[cfg(test)]
mod testing;

pub use checkpoint::{
    Blob, BlobWriter, Checkpoint, CheckpointInfo, CheckpointMeta, FileEntry, FileState, FileVerdict, MANIFEST, Manifest, SavedCheckpoint,
    Skipped, VerifyReport, checkpoints, latest, verify,
};
pub use error::StoreError;
pub use events::EventFile;
pub use fs::{DiskFs, Entry, SaveFile, SaveFs, free_bytes};
pub use hash::{content_hash, hash_bytes};
pub use logs::{LogFile, MetricsFile, MetricsLine, RolloutFile, read_metrics};
pub use resume::Resumed;
pub use run_dir::RunDir;
