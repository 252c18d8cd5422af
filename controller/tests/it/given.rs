//! Runs that learn from given data: two commands a step, the same boundaries.

use std::sync::Arc;

use collimate_controller::{Command, Controller, ControllerState, Event, Outcome};
use collimate_types::{FlowPlan, Role, Seed, StepReport};
use proptest::prelude::*;

use crate::world::plan;

fn given() -> FlowPlan {
    FlowPlan { roles: vec![Role::Learner], steps: 3, prompts_per_step: 4, ..plan() }
}

/// What a run commands, answered by a world with `rows` rows a step; before event `stop`, a stop is asked for. With the state of each save.
fn run(mut controller: Controller, rows: usize, stop: Option<usize>) -> (Vec<Command>, Vec<ControllerState>) {
    let (mut log, mut saves, mut events) = (Vec::new(), Vec::new(), 0);
    let mut todo: std::collections::VecDeque<Command> = controller.start().into();
    while let Some(command) = todo.pop_front() {
        log.push(command.clone());
        if stop == Some(events) {
            todo.extend(controller.on(Event::StopRequested).unwrap());
        }
        events += 1;
        let event = match command {
            Command::Draw { step, count, .. } => Event::Taken { step, rows: rows.min(count) },
            Command::Update { step } => {
                let version = controller.state().version + 1;
                Event::Updated(StepReport { step, version, updates: 1, ..StepReport::default() })
            }
            Command::Evaluate { step } => Event::Evaluated { step, score: Some(-(step as f64)) },
            Command::Save { step, .. } => {
                saves.push(controller.state());
                Event::Saved { step }
            }
            Command::Skip { .. } => continue,
            Command::Finish(_) => break,
            other => panic!("{other:?} is no part of this program"),
        };
        todo.extend(controller.on(event).unwrap());
    }
    (log, saves)
}

fn new(plan: &FlowPlan) -> Controller {
    Controller::new(plan.clone(), Arc::default(), Seed(1))
}

#[test]
fn a_step_takes_rows_and_learns() {
    let plan = FlowPlan { steps: 1, eval_every: 1, ..given() };
    let (log, _) = run(new(&plan), 4, None);
    let names: Vec<_> = log.iter().map(|c| format!("{c:?}").split([' ', '(']).next().unwrap().to_owned()).collect();
    assert_eq!(names.join(" "), "Evaluate Draw Update Evaluate Save Finish");
}

#[test]
fn without_rows_the_run_starves_and_too_many_are_refused() {
    let plan = FlowPlan { steps: 50, ..given() };
    let (log, _) = run(new(&plan), 0, None);
    assert!(matches!(log.last(), Some(Command::Finish(Outcome::Starved { steps: 5 }))), "{log:?}");
    let mut controller = new(&plan);
    controller.start();
    let refused = controller.on(Event::Taken { step: 1, rows: 5 }).unwrap_err().to_string();
    assert!(refused.contains("holds 5 rows, wanted 4"), "{refused}");
    assert!(controller.on(Event::Updated(StepReport::default())).is_err());
    let metrics = controller.take_metrics();
    assert!(metrics.get("flow/skipped_steps").is_some() && metrics.get("rollout/refills").is_none());
}

proptest! {
    #[test]
    fn a_run_stopped_anywhere_and_resumed_is_the_run_that_was_not(steps in 1_u64..6, eval_every in 0_u64..3, save_every in 0_u64..3, stop in 0_usize..20) {
        let plan = FlowPlan { steps, eval_every, save_every, ..given() };
        let work = |log: &[Command]| log.iter().filter(|c| matches!(c, Command::Draw { .. } | Command::Update { .. })).cloned().collect::<Vec<_>>();
        let (whole, _) = run(new(&plan), 4, None);
        let (first, saves) = run(new(&plan), 4, Some(stop));
        let done = saves.last().map_or(0, |s| s.step);
        let resumed = match saves.last() {
            Some(state) => Controller::resume(plan.clone(), Arc::default(), state.clone()).unwrap(),
            None => new(&plan),
        };
        let (second, _) = run(resumed, 4, None);
        // What the stopped run did beyond its last boundary was one draw at most, which is done again.
        let kept: Vec<_> = work(&first).into_iter().filter(|c| matches!(c, Command::Draw { step, .. } | Command::Update { step } if *step <= done)).collect();
        prop_assert_eq!([kept, work(&second)].concat(), work(&whole));
    }
}
