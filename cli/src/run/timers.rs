//! Where the time of a step goes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use collimate_types::Metrics;

/// Seconds by phase since the last [`Timers::take`].
#[derive(Debug)]
pub(crate) struct Timers {
    spent: BTreeMap<&'static str, Duration>,
    since: Instant,
}

impl Timers {
    pub(crate) fn new() -> Self {
        Self { spent: BTreeMap::new(), since: Instant::now() }
    }

    /// Runs something and books its time.
    pub(crate) fn time<T>(&mut self, phase: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        *self.spent.entry(phase).or_default() += start.elapsed();
        result
    }

    /// Seconds booked on a phase.
    pub(crate) fn seconds(&self, phase: &str) -> f64 {
        self.spent.get(phase).map_or(0.0, Duration::as_secs_f64)
    }

    /// `time/<phase>` and `time/step`; starts anew.
    pub(crate) fn take(&mut self) -> Metrics {
        let mut metrics = Metrics::default();
        for (phase, spent) in std::mem::take(&mut self.spent) {
            metrics.set(format!("time/{phase}"), spent.as_secs_f64());
        }
        metrics.set("time/step", self.since.elapsed().as_secs_f64());
        self.since = Instant::now();
        metrics
    }
}
