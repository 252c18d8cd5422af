//! Files that grow line by line beside the checkpoints, and how long each may be.

mod json_lines;
mod metrics;
mod rollouts;
mod text;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

pub use metrics::{MetricsFile, MetricsLine, read_metrics};
pub use rollouts::RolloutFile;
pub use text::LogFile;

use crate::error::{StoreError, failed};
use crate::fs::SaveFs;

/// The file of metrics in a run directory.
pub(crate) const METRICS: &str = "metrics.jsonl";
/// The directory of rollouts in a run directory.
pub(crate) const ROLLOUTS: &str = "rollouts";
/// How the name of an event file starts.
pub(crate) const EVENTS: &str = "events.out.tfevents.";

/// The lengths of all files that a resume takes back, by path in the run directory. `log.txt` is history and stays as it is.
pub(crate) fn log_lengths(fs: &dyn SaveFs, run: &Path) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut lengths = BTreeMap::new();
    for entry in fs.list(run).map_err(failed("list", run))? {
        if !entry.is_dir && (entry.name == METRICS || entry.name.starts_with(EVENTS)) {
            lengths.insert(entry.name, entry.bytes);
        }
    }
    let dir = run.join(ROLLOUTS);
    let rollouts = match fs.list(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(failed("list", &dir)(error)),
    };
    for entry in rollouts {
        if !entry.is_dir && entry.name.starts_with("step_") && entry.name.ends_with(".jsonl") {
            lengths.insert(format!("{ROLLOUTS}/{}", entry.name), entry.bytes);
        }
    }
    Ok(lengths)
}
