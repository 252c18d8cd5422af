//! Named numbers of a step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Named numbers, ordered by name so that a line of metrics is the same bytes every time.
///
/// Names follow TRL's tags (`reward`, `kl`, `clip_ratio/region_mean`, …); `time/*` and `perf/*` hold what differs from run to run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metrics(pub BTreeMap<String, f64>);

impl Metrics {
    /// Sets one number.
    pub fn set(&mut self, name: impl Into<String>, value: f64) {
        self.0.insert(name.into(), value);
    }

    /// Adds to one number, which starts at 0.
    pub fn add(&mut self, name: impl Into<String>, value: f64) {
        *self.0.entry(name.into()).or_insert(0.0) += value;
    }

    /// One number.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Takes all numbers of another; a name that both have takes the other's value.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}
