//! What happens between two steps: evaluate, then save, then go on or end.
//!
//! ```text
//! boundary s (s steps are done, the actors run the newest weights):
//!     [evaluate   Evaluate { s }           -> Evaluated]   before the first step, every eval_every, at the end
//!     [save       Save { s, best, last }   -> Saved]       every save_every, at the end, at a new best, at a stop
//!     the next step, or Finish(outcome)
//! ```
//!
//! A save that fails is answered by `NotSaved`: the run goes on with what was saved before, until too many fail in a row or none is left.
//!
//! No checkpoint is without the evaluation of its boundary, so a resumed run goes on behind both.

use collimate_types::FlowPlan;

use crate::{Best, Command, ControllerState, Outcome};

/// So many steps in a row without an update end the run.
pub const MAX_STEPS_WITHOUT_UPDATE: u64 = 5;

/// What a boundary waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Evaluated,
    Saved,
}

/// A boundary under way.
#[derive(Debug, Clone)]
pub(crate) struct Boundary {
    pub(crate) wait: Option<Wait>,
    new_best: bool,
    /// The best before this boundary.
    best_before: Option<Best>,
}

impl Boundary {
    /// The boundary after `state.step` steps. Returns the first command, if the boundary has one.
    pub(crate) fn reach(plan: &FlowPlan, state: &ControllerState, save_now: bool) -> (Self, Option<Command>) {
        let step = state.step;
        let due = plan.eval_every > 0 && (step.is_multiple_of(plan.eval_every) || step >= plan.steps);
        let mut here = Self { wait: None, new_best: false, best_before: state.best };
        // A stop waits for it: without this score a resumed run would call another checkpoint the best.
        if due {
            here.wait = Some(Wait::Evaluated);
            return (here, Some(Command::Evaluate { step }));
        }
        let save = here.save(plan, state, save_now);
        (here, save)
    }

    /// Takes a held-out score: higher is better, of equal ones the earlier stays.
    pub(crate) fn evaluated(
        &mut self,
        plan: &FlowPlan,
        state: &mut ControllerState,
        score: Option<f64>,
        stopping: bool,
    ) -> Option<Command> {
        self.wait = None;
        // The model a run starts from is no result of the run.
        if let Some(score) = score.filter(|s| s.is_finite() && state.step > 0)
            && state.best.is_none_or(|b| score > b.score)
        {
            state.best = Some(Best { step: state.step, score });
            self.new_best = true;
        }
        self.save(plan, state, stopping)
    }

    /// The save failed: the best of the run is one that is on the disk, so what would have been the best is none.
    pub(crate) fn not_saved(&mut self, state: &mut ControllerState) {
        state.best = self.best_before;
    }

    /// The save of this boundary, if one is due. The model a run starts from is not saved again.
    fn save(&mut self, plan: &FlowPlan, state: &ControllerState, stopping: bool) -> Option<Command> {
        let step = state.step;
        let last = step >= plan.steps;
        let ends = last || state.starved_in_a_row.max(state.not_finite_in_a_row) >= MAX_STEPS_WITHOUT_UPDATE;
        let due = ends || stopping || self.new_best || (plan.save_every > 0 && step.is_multiple_of(plan.save_every));
        if step == 0 || !due {
            return None;
        }
        self.wait = Some(Wait::Saved);
        Some(Command::Save { step, best: self.new_best, last: ends || stopping })
    }
}

/// How the run ends at this boundary, if it does.
pub(crate) fn ending(plan: &FlowPlan, state: &ControllerState, stopping: bool, saved: Option<u64>) -> Option<Outcome> {
    if state.not_finite_in_a_row >= MAX_STEPS_WITHOUT_UPDATE {
        return Some(Outcome::NotFinite { steps: state.not_finite_in_a_row });
    }
    if state.starved_in_a_row >= MAX_STEPS_WITHOUT_UPDATE {
        return Some(Outcome::Starved { steps: state.starved_in_a_row });
    }
    if state.step >= plan.steps {
        return Some(Outcome::Done);
    }
    stopping.then_some(Outcome::Stopped { saved_step: saved })
}
