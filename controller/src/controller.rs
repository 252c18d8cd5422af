//! The state machine: a boundary, a step, a boundary, …

use std::sync::Arc;

use collimate_types::{FlowPlan, Metrics, Sampling, Seed};

use crate::boundary::{Boundary, MAX_STEPS_WITHOUT_UPDATE, Wait, ending};
use crate::counts::Counts;
use crate::flow::{Ending, Progress, Setting, Step};
use crate::{Command, ControllerError, ControllerState, Event, Outcome, Phase, View};

/// So many saves that fail in a row end the run: what it learns is not kept.
pub const MAX_FAILED_SAVES: u32 = 3;

/// Where the machine is.
#[derive(Debug, Clone)]
enum Place {
    Idle,
    Boundary(Boundary),
    Step(Step),
    /// A stop abandoned the step; the boundary before it is being saved.
    Abandoned,
    Finished,
}

/// Writes a run as commands, told by events how they went.
#[derive(Debug, Clone)]
pub struct Controller {
    setting: Setting,
    /// The last boundary.
    state: ControllerState,
    place: Place,
    counts: Counts,
    stopping: bool,
    /// Whether a save was asked for at the next boundary.
    save_asked: bool,
    /// The boundary of the newest checkpoint.
    saved: Option<u64>,
    /// How many saves failed since the last one that did not.
    failed_saves: u32,
}

impl Controller {
    /// A run before its first step.
    #[must_use]
    pub fn new(plan: FlowPlan, sampling: Arc<Sampling>, seed: Seed) -> Self {
        let state =
            ControllerState { seed, step: 0, version: 0, best: None, starved_in_a_row: 0, not_finite_in_a_row: 0, recent: Vec::new() };
        Self::at(plan, sampling, state, None)
    }

    /// A run that goes on from a checkpoint. The plan may have more steps than it had.
    ///
    /// # Errors
    /// When the plan has fewer steps than are done.
    pub fn resume(plan: FlowPlan, sampling: Arc<Sampling>, mut state: ControllerState) -> Result<Self, ControllerError> {
        if plan.steps < state.step {
            return Err(ControllerError::PlanTooShort { done: state.step, planned: plan.steps });
        }
        let saved = Some(state.step);
        // Whoever resumes a run that ended without updates has mended something: it gets its steps.
        let fresh = |n: u64| if n >= MAX_STEPS_WITHOUT_UPDATE { 0 } else { n };
        let (starved, not_finite) = (fresh(state.starved_in_a_row), fresh(state.not_finite_in_a_row));
        (state.starved_in_a_row, state.not_finite_in_a_row) = (starved, not_finite);
        Ok(Self::at(plan, sampling, state, saved))
    }

    fn at(plan: FlowPlan, sampling: Arc<Sampling>, state: ControllerState, saved: Option<u64>) -> Self {
        let setting = Setting { plan, sampling, seed: state.seed };
        Self { setting, state, place: Place::Idle, counts: Counts::default(), stopping: false, save_asked: false, saved, failed_saves: 0 }
    }

    /// The state of the last boundary: what a checkpoint keeps.
    #[must_use]
    pub fn state(&self) -> ControllerState {
        self.state.clone()
    }

    /// The first commands. A run that goes on from a checkpoint does not repeat that boundary.
    pub fn start(&mut self) -> Vec<Command> {
        if !matches!(self.place, Place::Idle) {
            return Vec::new();
        }
        if self.stopping {
            return self.finish(Outcome::Stopped { saved_step: self.saved });
        }
        if self.saved == Some(self.state.step) { self.leave_boundary() } else { self.reach_boundary() }
    }

    /// Takes an event and gives the commands that follow from it.
    ///
    /// # Errors
    /// When the event does not fit; the controller is then as it was before.
    pub fn on(&mut self, event: Event) -> Result<Vec<Command>, ControllerError> {
        if matches!(event, Event::StopRequested) {
            return Ok(self.stop());
        }
        if matches!(event, Event::SaveRequested) {
            self.save_asked = true;
            return Ok(Vec::new());
        }
        match &mut self.place {
            Place::Step(step) => match step.on(event, &self.setting, &self.state, &mut self.counts)? {
                Progress::On(commands) => Ok(commands),
                Progress::Over(ending) => Ok(self.end_step(ending)),
            },
            Place::Boundary(boundary) => match (boundary.wait, &event) {
                (Some(Wait::Evaluated), Event::Evaluated { step, score }) if *step == self.state.step => {
                    let save = boundary.evaluated(&self.setting.plan, &mut self.state, *score, self.stopping || self.save_asked);
                    self.save_asked &= save.is_none();
                    Ok(save.map_or_else(|| self.leave_boundary(), |s| vec![s]))
                }
                (Some(Wait::Saved), Event::Saved { step }) if *step == self.state.step => {
                    (self.saved, self.failed_saves) = (Some(*step), 0);
                    Ok(self.leave_boundary())
                }
                (Some(Wait::Saved), Event::NotSaved { step }) if *step == self.state.step => {
                    boundary.not_saved(&mut self.state);
                    Ok(self.not_saved())
                }
                _ => self.late(&event),
            },
            Place::Abandoned => match event {
                Event::Saved { step } if step == self.state.step => {
                    self.saved = Some(step);
                    Ok(self.finish(Outcome::Stopped { saved_step: self.saved }))
                }
                Event::NotSaved { step } if step == self.state.step => Ok(self.not_saved()),
                event => self.late(&event),
            },
            Place::Idle | Place::Finished => self.late(&event),
        }
    }

    /// What was counted since this was last asked.
    pub fn take_metrics(&mut self) -> Metrics {
        let mut metrics = self.counts.take();
        if self.setting.plan.is_given() {
            metrics.0.retain(|name, _| !name.starts_with("rollout/"));
        }
        metrics
    }

    /// Where the run stands.
    #[must_use]
    pub fn view(&self) -> View {
        let (phase, under_way, refill) = match &self.place {
            Place::Idle => (Phase::Idle, 0, 0),
            Place::Boundary(b) if b.wait == Some(Wait::Evaluated) => (Phase::Evaluate, 0, 0),
            Place::Boundary(_) | Place::Abandoned => (Phase::Save, 0, 0),
            Place::Step(step) => (step.phase(), 1, step.refill()),
            Place::Finished => (Phase::Finished, 0, 0),
        };
        View {
            phase,
            step: self.state.step + under_way,
            steps: self.setting.plan.steps,
            version: self.state.version,
            refill,
            best: self.state.best,
            stopping: self.stopping,
        }
    }

    fn reach_boundary(&mut self) -> Vec<Command> {
        let (boundary, command) = Boundary::reach(&self.setting.plan, &self.state, self.stopping || self.save_asked);
        self.save_asked &= !matches!(command, Some(Command::Save { .. }));
        self.place = Place::Boundary(boundary);
        command.map_or_else(|| self.leave_boundary(), |c| vec![c])
    }

    fn leave_boundary(&mut self) -> Vec<Command> {
        if let Some(outcome) = ending(&self.setting.plan, &self.state, self.stopping, self.saved) {
            return self.finish(outcome);
        }
        let (step, commands) = Step::begin(&self.setting, self.state.step + 1);
        self.place = Place::Step(step);
        commands
    }

    fn end_step(&mut self, ending: Ending) -> Vec<Command> {
        self.state.step += 1;
        let mut commands = Vec::new();
        match ending {
            Ending::Learned { version, updates, skipped } => {
                self.state.publish(version, self.setting.plan.max_staleness);
                self.state.starved_in_a_row = 0;
                self.state.not_finite_in_a_row = if updates == 0 && skipped > 0 { self.state.not_finite_in_a_row + 1 } else { 0 };
            }
            Ending::Starved => {
                self.state.starved_in_a_row += 1;
                commands.push(Command::Skip { step: self.state.step });
            }
        }
        commands.extend(self.reach_boundary());
        commands
    }

    /// The first signal: before the step's update the step is abandoned, after it the step is finished.
    fn stop(&mut self) -> Vec<Command> {
        if self.stopping || matches!(self.place, Place::Finished) {
            return Vec::new();
        }
        self.stopping = true;
        let abandon = match &self.place {
            // The evaluation before the first step is taken back too: nothing is lost with it.
            Place::Boundary(boundary) => self.state.step == 0 && boundary.wait == Some(Wait::Evaluated),
            Place::Step(step) => step.before_update(),
            _ => false,
        };
        if !abandon {
            return Vec::new();
        }
        if self.state.step == 0 || self.saved == Some(self.state.step) {
            return self.finish(Outcome::Stopped { saved_step: self.saved });
        }
        self.place = Place::Abandoned;
        let best = self.state.best.is_some_and(|b| b.step == self.state.step);
        vec![Command::Save { step: self.state.step, best, last: true }]
    }

    /// A save failed: what was saved before stands, and the run goes on to the next one. Without a next one, or after too many, it ends.
    fn not_saved(&mut self) -> Vec<Command> {
        self.failed_saves += 1;
        self.counts.failed_saves += 1;
        let abandoned = matches!(self.place, Place::Abandoned);
        let ends = ending(&self.setting.plan, &self.state, self.stopping, self.saved).is_some();
        if abandoned || ends || self.failed_saves >= MAX_FAILED_SAVES {
            let (step, saves) = (self.state.step, self.failed_saves);
            return self.finish(Outcome::NotSaved { step, saves, saved_step: self.saved });
        }
        self.leave_boundary()
    }

    fn finish(&mut self, outcome: Outcome) -> Vec<Command> {
        self.place = Place::Finished;
        vec![Command::Finish(outcome)]
    }

    /// An event that nothing waits for: thrown away if a stop took its command back or its sender may be redone, else an error.
    fn late(&mut self, event: &Event) -> Result<Vec<Command>, ControllerError> {
        if event.redone() || (self.stopping && event.taken_back_by_stop()) {
            self.counts.duplicates += 1;
            return Ok(Vec::new());
        }
        let view = self.view();
        Err(ControllerError::Misfit { event: event.to_string(), state: format!("{}, step {}", view.phase, view.step) })
    }
}
