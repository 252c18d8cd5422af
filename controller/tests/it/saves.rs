//! Saves that fail, and saves that somebody asks for.

use collimate_controller::{Command, Event, MAX_FAILED_SAVES, Outcome};
use collimate_types::FlowPlan;
use proptest::prelude::*;

use crate::world::{Script, World, plan, plans, scripts};

/// The saves of a log: boundary, and whether it was to be the last.
fn saves(log: &[Command]) -> Vec<(u64, bool)> {
    log.iter().filter_map(|c| if let Command::Save { step, last, .. } = c { Some((*step, *last)) } else { None }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A run whose saves fail does the work of an undisturbed one, up to the failure that ends it.
    #[test]
    fn a_failed_save_stops_nothing_but_the_third_in_a_row_and_the_last(plan in plans(), script in scripts(), unsaved in 0.1..1.0) {
        let whole = World::new(&plan, &script).run(None);
        let world = World::new(&plan, &Script { unsaved, ..script.clone() }).run(None);
        let work = |log: &[Command]| -> Vec<Command> {
            log.iter().filter(|c| !matches!(c, Command::Save { .. } | Command::Finish(_))).cloned().collect()
        };
        let asked = saves(&world.log);
        let good = |step: &u64| world.checkpoints.contains_key(step);
        let in_a_row = asked.iter().rev().take_while(|(step, _)| !good(step)).count() as u32;
        let failed = asked.iter().filter(|(step, _)| !good(step)).count() as f64;
        prop_assert_eq!(world.metrics["flow/failed_saves"], failed);
        match world.outcome.clone() {
            Some(Outcome::NotSaved { step, saves, saved_step }) => {
                let last = *asked.last().unwrap();
                prop_assert!(step == last.0 && (last.1 || saves == MAX_FAILED_SAVES));
                prop_assert_eq!((saves, saved_step), (in_a_row, world.checkpoints.keys().max().copied()));
                prop_assert!(work(&whole.log).starts_with(&work(&world.log)));
            }
            outcome => {
                prop_assert!(in_a_row == 0);
                prop_assert_eq!(outcome, whole.outcome.clone());
                prop_assert_eq!(work(&whole.log), work(&world.log));
            }
        }
        // The best is on the disk, or there is none.
        for (step, checkpoint) in &world.checkpoints {
            if let Some(best) = checkpoint.state.best {
                prop_assert!(good(&best.step), "the checkpoint of step {} names {} as the best", step, best.step);
            }
        }
    }

    #[test]
    fn a_save_that_is_asked_for_comes_at_the_next_boundary_and_changes_nothing_else(plan in plans(), script in scripts(), at in 0_usize..40) {
        let whole = World::new(&plan, &script).run(None);
        let mut world = World::new(&plan, &script);
        world.start();
        let mut asked = None;
        while world.outcome.is_none() {
            if world.delivered == at && asked.is_none() {
                asked = Some((world.log.len(), world.controller.state().step));
                prop_assert_eq!(world.controller.on(Event::SaveRequested), Ok(Vec::new()));
            }
            world.turn();
        }
        let Some((before, step)) = asked else { return Ok(()) };
        let work = |log: &[Command]| -> Vec<Command> { log.iter().filter(|c| !matches!(c, Command::Save { .. })).cloned().collect() };
        prop_assert_eq!(work(&whole.log), work(&world.log));
        let more: Vec<_> = saves(&world.log).into_iter().filter(|s| !saves(&whole.log).contains(s)).collect();
        prop_assert!(more.len() <= 1, "{more:?}");
        // The boundary it came in may have been saved before, and the one a run starts from is never saved.
        let next = saves(&world.log[before..]).first().map(|(step, _)| *step);
        prop_assert!(next.is_none_or(|next| next == step.max(1) || next == step + 1), "asked at {step}, saved at {next:?}");
        prop_assert!(next.is_some() || whole.checkpoints.contains_key(&step) || step == 0);
    }
}

#[test]
fn a_stop_whose_save_fails_says_what_is_on_the_disk() {
    let plan = FlowPlan { steps: 9, save_every: 1, ..plan() };
    let mut world = World::new(&plan, &Script::kind());
    world.start();
    while world.checkpoints.is_empty() {
        world.turn();
    }
    world.script.unsaved = 1.0;
    while world.controller.state().step < 2 {
        world.turn();
    }
    world.turn(); // NotSaved of step 2: the run goes on
    assert!(world.outcome.is_none());
    let commands = world.controller.on(Event::StopRequested).unwrap();
    assert_eq!(commands, [Command::Save { step: 2, best: false, last: true }]);
    let end = world.controller.on(Event::NotSaved { step: 2 }).unwrap();
    assert_eq!(end, [Command::Finish(Outcome::NotSaved { step: 2, saves: 2, saved_step: Some(1) })]);
}
