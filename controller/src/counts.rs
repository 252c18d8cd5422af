//! What the controller counts, under the names that go to the metrics.

use collimate_types::Metrics;

/// Counters since they were last taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Draws beyond a step's first.
    pub(crate) refills: u64,
    /// Groups with too few scores, or without spread where the plan drops those.
    pub(crate) dropped_groups: u64,
    /// Results that came twice or late and were thrown away.
    pub(crate) duplicates: u64,
    /// Groups that were older than the plan allows, refused and queued again.
    pub(crate) stale: u64,
    /// Steps that ended without an update because no group was left.
    pub(crate) skipped_steps: u64,
    /// Saves that failed.
    pub(crate) failed_saves: u64,
}

impl Counts {
    /// Takes the counters and starts anew. All names are always there, so that every line of metrics has the same keys.
    pub(crate) fn take(&mut self) -> Metrics {
        let counts = std::mem::take(self);
        let mut metrics = Metrics::default();
        for (name, count) in [
            ("rollout/refills", counts.refills),
            ("rollout/dropped_groups", counts.dropped_groups),
            ("rollout/duplicates", counts.duplicates),
            ("rollout/stale", counts.stale),
            ("flow/skipped_steps", counts.skipped_steps),
            ("flow/failed_saves", counts.failed_saves),
        ] {
            metrics.set(name, count as f64);
        }
        metrics
    }
}
