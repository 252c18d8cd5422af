//! What a run went through, how it ended, and what did not hold.

use std::fmt;

use crate::disk::Saved;

/// What did not hold. The seed shows it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The seed.
    pub seed: u64,
    /// The moment, in milliseconds.
    pub at_ms: u64,
    /// What did not hold.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed={} at {} ms: {}", self.seed, self.at_ms, self.what)
    }
}

impl std::error::Error for Broken {}

/// What a run went through, and its end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// How often the launcher was started.
    pub lives: u64,
    /// How often an actor was started.
    pub starts: u64,
    /// Faults that hit something.
    pub faults: u64,
    /// Events of the run.
    pub events: u64,
    /// Simulated time, in milliseconds.
    pub ms: u64,
    pub(crate) done: bool,
    pub(crate) saved: Option<Saved>,
    pub(crate) metrics: Vec<u8>,
}

impl Tally {
    /// Compares the end of a run with that of the calm one.
    pub(crate) fn same_end(&self, other: &Self, seed: u64) -> Result<(), Broken> {
        let part = |t: &Self| t.saved.as_ref().map(|s| (s.controller.step, s.controller.version, s.cursor, s.digest));
        let what = if part(self) != part(other) {
            format!("the last checkpoint (step, version, cursor, weights) is {:?}, that of the calm run {:?}", part(other), part(self))
        } else if self.metrics != other.metrics {
            format!("the metrics differ: {:?}", String::from_utf8_lossy(&other.metrics))
        } else {
            return Ok(());
        };
        Err(Broken { seed, at_ms: other.ms, what })
    }
}
