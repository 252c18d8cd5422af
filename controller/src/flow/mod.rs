//! One file a family of algorithms: the program of a step.

pub(crate) mod online;

use std::sync::Arc;

use collimate_types::{FlowPlan, Sampling, Seed, WeightsVersion};

use crate::Command;

/// What does not change in a run.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// The shape of the run.
    pub(crate) plan: FlowPlan,
    /// How completions are drawn.
    pub(crate) sampling: Arc<Sampling>,
    /// The run's seed.
    pub(crate) seed: Seed,
}

/// What an event brought a step to.
#[derive(Debug)]
pub(crate) enum Progress {
    /// The step goes on.
    On(Vec<Command>),
    /// The step is over: the boundary is reached.
    Over(Ending),
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The learner worked on it.
    Learned {
        /// The version that the actors run now.
        version: WeightsVersion,
        /// Optimizer updates that were made.
        updates: u64,
        /// Optimizer updates that were skipped because something was not finite.
        skipped: u64,
    },
    /// No group was left to train on.
    Starved,
}
