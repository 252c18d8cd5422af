//! What each reward of a run costs and how often it fails.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use collimate_types::Verdict;

/// What a reward has done since it was last asked. Lanes add to it at once.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    nanos: AtomicU64,
    judged: AtomicU64,
    faults: AtomicU64,
}

/// What one reward has done.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// The reward's label.
    pub label: String,
    /// Time spent judging, summed over lanes that judge at once.
    pub time: Duration,
    /// Answers that it was asked about.
    pub judged: u64,
    /// Answers that it gave no score.
    pub faults: u64,
}

impl Tally {
    pub(crate) fn add(&self, time: Duration, verdicts: &[Verdict]) {
        let faults = verdicts.iter().filter(|v| v.fault().is_some()).count();
        self.nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.judged.fetch_add(verdicts.len() as u64, Ordering::Relaxed);
        self.faults.fetch_add(faults as u64, Ordering::Relaxed);
    }

    /// What was done; counting starts anew.
    pub(crate) fn take(&self, label: &str) -> Work {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        Work {
            label: label.to_owned(),
            time: Duration::from_nanos(take(&self.nanos)),
            judged: take(&self.judged),
            faults: take(&self.faults),
        }
    }
}
