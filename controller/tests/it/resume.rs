//! A run that was stopped and resumed is the run that was not.

use collimate_controller::{Command, Outcome};
use proptest::prelude::*;

use crate::world::{Checkpoint, World, plans, scripts};

/// What an undisturbed run commands behind boundary `step`.
fn behind(log: &[Command], step: u64) -> &[Command] {
    let begins = |c: &Command| matches!(c, Command::Draw { step: s, refill: 0, .. } if *s == step + 1);
    let from = log.iter().position(begins).unwrap_or(log.len() - 1);
    &log[from..]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_run_resumed_at_any_boundary_goes_on_as_if_undisturbed(plan in plans(), script in scripts()) {
        let whole = World::new(&plan, &script).run(None);
        for (step, boundary) in whole.boundaries.iter().filter(|(step, _)| **step > 0) {
            let resumed = World::resume(&plan, &script, boundary).run(None);
            prop_assert_eq!(&resumed.log[..], behind(&whole.log, *step), "resumed at {}", step);
            prop_assert_eq!(resumed.outcome, whole.outcome.clone());
        }
    }

    #[test]
    fn a_stop_at_any_event_leaves_a_boundary_that_resumes_to_the_same_commands(plan in plans(), script in scripts()) {
        let whole = World::new(&plan, &script).run(None);
        for stop in 0..whole.delivered {
            let stopped = World::new(&plan, &script).run(Some(stop));
            let Some(Outcome::Stopped { saved_step }) = stopped.outcome else {
                // The stop came in the last step, which was finished: the run is as it would have been.
                prop_assert_eq!(&stopped.log, &whole.log);
                continue;
            };
            prop_assert_eq!(saved_step, stopped.checkpoints.keys().max().copied());
            nothing_but_the_save_is_new(&stopped.log, &whole.log);
            behind_a_stop_no_update_begins(&stopped);
            let resumed = match saved_step {
                Some(step) => World::resume(&plan, &script, &stopped.checkpoints[&step]).run(None),
                None => World::new(&plan, &script).run(None),
            };
            let rest = saved_step.map_or(&whole.log[..], |step| behind(&whole.log, step));
            prop_assert_eq!(&resumed.log[..], rest, "stopped before event {}, saved {:?}", stop, saved_step);
        }
    }
}

/// A stopped run is the beginning of the whole one, but for its saves and its end.
fn nothing_but_the_save_is_new(stopped: &[Command], whole: &[Command]) {
    let work = |log: &[Command]| -> Vec<Command> {
        log.iter().filter(|c| !matches!(c, Command::Save { .. } | Command::Finish(_))).cloned().collect()
    };
    let (stopped_work, whole_work) = (work(stopped), work(whole));
    assert!(whole_work.starts_with(&stopped_work));
    let steps_updated = stopped.iter().filter(|c| matches!(c, Command::Update { .. } | Command::Skip { .. })).count() as u64;
    let saved = stopped.iter().filter_map(|c| if let Command::Save { step, .. } = c { Some(*step) } else { None }).max();
    assert_eq!(saved.unwrap_or(0), steps_updated, "an updated step is saved, an abandoned one is not");
}

/// What was commanded behind a stop: no update, and at most one save, which is known to be the last and repeats none.
fn behind_a_stop_no_update_begins(stopped: &World) {
    let (before, behind) = stopped.log.split_at(stopped.stopped_at.unwrap());
    assert!(!behind.iter().any(|c| matches!(c, Command::Update { .. })), "{behind:?}");
    let saves = |log: &[Command]| -> Vec<(u64, bool)> {
        log.iter().filter_map(|c| if let Command::Save { step, last, .. } = c { Some((*step, *last)) } else { None }).collect()
    };
    let (before, behind) = (saves(before), saves(behind));
    assert!(behind.len() <= 1 && behind.iter().all(|(_, last)| *last), "{behind:?}");
    let steps: Vec<_> = before.iter().chain(&behind).map(|(step, _)| *step).collect();
    assert!(steps.is_sorted_by(|a, b| a < b), "no boundary is saved twice: {steps:?}");
}

#[test]
fn the_plan_may_grow_at_a_resume_and_not_shrink() {
    let (plan, script) = (crate::world::plan(), crate::world::Script::kind());
    let short = World::new(&plan, &script).run(None);
    let end: &Checkpoint = &short.checkpoints[&plan.steps];
    let longer = collimate_types::FlowPlan { steps: plan.steps + 2, ..plan.clone() };
    let grown = World::resume(&longer, &script, end).run(None);
    assert_eq!(grown.log[..], *behind(&World::new(&longer, &script).run(None).log, plan.steps));
    let shorter = collimate_types::FlowPlan { steps: plan.steps - 1, ..plan.clone() };
    let refused = collimate_controller::Controller::resume(shorter, std::sync::Arc::default(), end.state.clone()).unwrap_err();
    assert!(refused.to_string().contains("3 steps behind it, the plan has only 2"), "{refused}");
    let done = World::resume(&plan, &script, end).run(None);
    assert_eq!(done.log, [Command::Finish(Outcome::Done)]);
}
