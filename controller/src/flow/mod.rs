//! One file a family of algorithms: the program of a step.

pub(crate) mod given;
pub(crate) mod online;

use std::sync::Arc;

use collimate_types::{FlowPlan, Sampling, Seed, StepReport, WeightsVersion};

use crate::counts::Counts;
use crate::{Command, ControllerError, ControllerState, Event, Phase};

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

/// A step under way, by the plan's program.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Online(Box<online::Step>),
    Given(given::Step),
}

impl Step {
    /// Step `number` from its start.
    pub(crate) fn begin(setting: &Setting, number: u64) -> (Self, Vec<Command>) {
        if setting.plan.is_given() {
            let (step, commands) = given::Step::begin(setting, number);
            return (Self::Given(step), commands);
        }
        let (step, commands) = online::Step::begin(setting, number);
        (Self::Online(Box::new(step)), commands)
    }

    pub(crate) fn phase(&self) -> Phase {
        match self {
            Self::Online(step) => step.phase(),
            Self::Given(step) => step.phase(),
        }
    }

    /// Whether the step can still be abandoned: its update has not been commanded.
    pub(crate) fn before_update(&self) -> bool {
        match self {
            Self::Online(step) => step.before_update(),
            Self::Given(step) => step.before_update(),
        }
    }

    pub(crate) fn refill(&self) -> u32 {
        match self {
            Self::Online(step) => step.refill(),
            Self::Given(_) => 0,
        }
    }

    /// Takes an event. After an error the step is as it was before it.
    pub(crate) fn on(
        &mut self,
        event: Event,
        setting: &Setting,
        state: &ControllerState,
        counts: &mut Counts,
    ) -> Result<Progress, ControllerError> {
        match self {
            Self::Online(step) => step.on(event, setting, state, counts),
            Self::Given(step) => step.on(event, state, counts),
        }
    }
}

/// A version counts the updates: without one it stays, with one it grows.
fn version_fits(report: &StepReport, version: WeightsVersion) -> Result<(), ControllerError> {
    if report.version < version || (report.version == version) != (report.updates == 0) {
        let event = format!("updated, step {} to version {}", report.step, report.version);
        let rule = if report.updates == 0 { "without an update it stays at" } else { "an update must come after" };
        return Err(ControllerError::Version { event, got: report.version, rule, version });
    }
    Ok(())
}
