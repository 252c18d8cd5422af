//! Learning from given data: rows are taken in their order, the policy learns. Nothing is drawn, judged or handed to an actor.
//!
//! ```text
//! step s at version v:
//!     take         Draw      { s, 0, count }   -> Taken         no row at all: the step is over, starved
//!     update       Update    { s }             -> Updated       the step is over; from here on a stop waits for its end
//! ```

use collimate_types::{StepReport, WeightsVersion};

use super::{Ending, Progress, Setting, version_fits};
use crate::{Command, ControllerError, ControllerState, Event, Phase, counts::Counts};

/// What a step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Take,
    Update,
}

/// A step under way.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    number: u64,
    count: usize,
    stage: Stage,
}

impl Step {
    /// Step `number` from its start.
    pub(crate) fn begin(setting: &Setting, number: u64) -> (Self, Vec<Command>) {
        let count = setting.plan.prompts_per_step;
        (Self { number, count, stage: Stage::Take }, vec![Command::Draw { step: number, refill: 0, count }])
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.stage {
            Stage::Take => Phase::Tasks,
            Stage::Update => Phase::Update,
        }
    }

    /// Whether the step can still be abandoned: its update has not been commanded.
    pub(crate) fn before_update(&self) -> bool {
        self.stage == Stage::Take
    }

    /// Takes an event. After an error the step is as it was before it.
    pub(crate) fn on(&mut self, event: Event, state: &ControllerState, counts: &mut Counts) -> Result<Progress, ControllerError> {
        if event.redone() {
            counts.duplicates += 1;
            return Ok(Progress::On(Vec::new()));
        }
        match (self.stage, event) {
            (Stage::Take, Event::Taken { step, rows }) if step == self.number => self.taken(rows, counts),
            (Stage::Update, Event::Updated(report)) if report.step == self.number => updated(&report, state.version),
            (_, event) => {
                Err(ControllerError::Misfit { event: event.to_string(), state: format!("{}, step {}", self.phase(), self.number) })
            }
        }
    }

    fn taken(&mut self, rows: usize, counts: &mut Counts) -> Result<Progress, ControllerError> {
        if rows > self.count {
            let (event, state) = (format!("taken, step {}", self.number), self.phase().to_string());
            return Err(ControllerError::Count { event, state, what: "rows", got: rows, wanted: self.count });
        }
        if rows == 0 {
            counts.skipped_steps += 1;
            return Ok(Progress::Over(Ending::Starved));
        }
        self.stage = Stage::Update;
        Ok(Progress::On(vec![Command::Update { step: self.number }]))
    }
}

fn updated(report: &StepReport, version: WeightsVersion) -> Result<Progress, ControllerError> {
    version_fits(report, version)?;
    Ok(Progress::Over(Ending::Learned { version: report.version, updates: report.updates, skipped: report.skipped }))
}
