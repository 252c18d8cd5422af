//! What holds in every run, whatever the world does.

use std::collections::BTreeSet;

use collimate_controller::{Command, MAX_REQUEUES, Outcome};
use collimate_types::{FlowPlan, Role, RolloutBatch, ScoredGroup};
use proptest::prelude::*;

use crate::world::{Script, World, plans, score_at, scripts};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_run_keeps_the_laws(plan in plans(), script in scripts()) {
        let world = World::new(&plan, &script).run(None);
        steps_are_updated_once_or_skipped(&world);
        updates_are_fresh_and_comparable(&world);
        what_can_be_compared_is_trained_on(&world);
        the_reference_is_asked_where_the_plan_has_one(&world);
        batches_are_committed_once(&world);
        versions_only_grow(&world);
        evaluations_and_saves_are_where_they_belong(&world);
        everything_is_counted(&world);
        prop_assert!(matches!(world.log.last(), Some(Command::Finish(_))));
    }

    #[test]
    fn results_that_come_twice_or_late_change_nothing(plan in plans(), script in scripts()) {
        let quiet = Script { twice: 0.0, ..script.clone() };
        prop_assert_eq!(World::new(&plan, &script).run(None).log, World::new(&plan, &quiet).run(None).log);
    }
}

/// The number of a step's command in the program of `flow/online.rs`, with the step.
fn place(command: &Command) -> Option<(u64, u32)> {
    Some(match command {
        Command::Draw { step, .. } => (*step, 0),
        Command::Generate(batch) => (batch.id.step, 0),
        Command::Score { id, .. } => (id.step, 0),
        Command::Reference { step, .. } => (*step, 1),
        Command::Credit { step, .. } => (*step, 2),
        Command::Check { step } => (*step, 3),
        Command::Update { step } => (*step, 4),
        Command::Skip { step } => (*step, 5),
        Command::Evaluate { step } => (*step, 6),
        Command::Save { step, .. } => (*step, 7),
        Command::Publish { .. } | Command::Adopt { .. } | Command::Finish(_) => return None,
    })
}

fn steps_are_updated_once_or_skipped(world: &World) {
    let places: Vec<_> = world.log.iter().filter_map(place).collect();
    assert!(places.is_sorted(), "the program goes forwards: {places:?}");
    let ends: Vec<_> = places.iter().filter(|(_, p)| *p == 4 || *p == 5).map(|(step, _)| *step).collect();
    let done = ends.len() as u64;
    assert_eq!(ends, (1..=done).collect::<Vec<_>>(), "each step has one end");
    match world.outcome.as_ref() {
        Some(Outcome::Done) => assert_eq!(done, world.plan.steps),
        Some(Outcome::Starved { steps: 5 } | Outcome::NotFinite { steps: 5 }) => assert!(done <= world.plan.steps),
        other => panic!("nobody asked for {other:?}"),
    }
    for once in [1, 2, 3] {
        let steps: Vec<_> = places.iter().filter(|(_, p)| *p == once).collect();
        assert_eq!(steps.len(), steps.iter().collect::<BTreeSet<_>>().len(), "no step comes to place {once} twice");
    }
}

fn credited(world: &World) -> impl Iterator<Item = (u64, &Vec<ScoredGroup>)> {
    world.log.iter().filter_map(|c| if let Command::Credit { step, groups } = c { Some((*step, groups)) } else { None })
}

fn updates_are_fresh_and_comparable(world: &World) {
    let FlowPlan { max_staleness, prompts_per_step, group_size, drop_groups_without_spread, .. } = world.plan;
    let published: Vec<u64> =
        world.log.iter().filter_map(|c| if let Command::Publish { version } = c { Some(*version) } else { None }).collect();
    for (step, groups) in credited(world) {
        let version = world.boundaries[&(step - 1)].state.version;
        assert!((1..=prompts_per_step).contains(&groups.len()));
        for group in groups {
            let later = |drawn_by| published.iter().filter(|v| (drawn_by + 1..=version).contains(*v)).count() as u64;
            assert!(group.group.rollouts.iter().all(|r| later(r.versions.0) <= max_staleness), "step {step} trains on a stale group");
            assert!(group.scores().count() >= group_size.min(2));
            assert!(group.has_spread() || !drop_groups_without_spread);
        }
    }
}

/// A group is dropped for one of two reasons only: too few scores for its size, or no spread where the plan wants some.
fn what_can_be_compared_is_trained_on(world: &World) {
    let FlowPlan { group_size, drop_groups_without_spread, .. } = world.plan;
    let enough = if group_size == 1 { 1 } else { 2 };
    let fit = |g: &&ScoredGroup| g.scores().count() >= enough && (g.has_spread() || !drop_groups_without_spread);
    let wanted: Vec<_> = world.judged.iter().filter(fit).collect();
    assert_eq!(credited(world).flat_map(|(_, groups)| groups).collect::<Vec<_>>(), wanted);
}

fn the_reference_is_asked_where_the_plan_has_one(world: &World) {
    let asked: Vec<_> =
        world.log.iter().filter_map(|c| if let Command::Reference { step, groups } = c { Some((*step, groups)) } else { None }).collect();
    let wanted = credited(world).filter(|_| world.plan.roles.contains(&Role::Reference));
    assert_eq!(asked, wanted.collect::<Vec<_>>());
}

fn batches_are_committed_once(world: &World) {
    // The world never asks a task twice, so a task that is trained on twice was committed twice.
    let trained: Vec<_> = credited(world).flat_map(|(_, groups)| groups).map(|g| &g.group.prompt.task.id).collect();
    assert_eq!(trained.len(), trained.iter().collect::<BTreeSet<_>>().len());
    let batches: Vec<&RolloutBatch> =
        world.log.iter().filter_map(|c| if let Command::Generate(batch) = c { Some(batch) } else { None }).collect();
    let mut ids = BTreeSet::new();
    let mut seeds = BTreeSet::new();
    for batch in batches {
        assert!(ids.insert(batch.id), "{} was commanded twice", batch.id);
        assert!(batch.id.refill <= world.plan.max_refills + MAX_REQUEUES);
        for (index, request) in (0..).zip(&batch.requests) {
            let address = world.script.seed.fork("rollout", batch.id.step).fork("refill", u64::from(batch.id.refill));
            assert_eq!(request.seed, address.fork("prompt", index));
            assert!(seeds.insert(request.seed.0), "two requests share a seed");
        }
    }
}

fn versions_only_grow(world: &World) {
    let mut newest = 0;
    for pair in world.log.windows(2) {
        if let [Command::Publish { version }, then] = pair {
            assert!(*version > newest);
            newest = *version;
            assert_eq!(*then, Command::Adopt { version: newest });
        }
    }
}

/// The evaluations and saves of a run, written down once more, slowly, from the plan and the scores alone.
fn evaluations_and_saves_are_where_they_belong(world: &World) {
    let (plan, log) = (&world.plan, &world.log);
    let done = log.iter().filter(|c| matches!(c, Command::Update { .. } | Command::Skip { .. })).count() as u64;
    let mut wanted = Vec::new();
    let mut best = f64::NEG_INFINITY;
    for step in 0..=done {
        let evaluate = plan.eval_every > 0 && (step % plan.eval_every == 0 || step == plan.steps);
        if evaluate {
            wanted.push(Command::Evaluate { step });
        }
        let score = score_at(&world.script, step).filter(|_| evaluate && step > 0);
        let is_best = score.is_some_and(|s| s > best);
        best = score.map_or(best, |s| best.max(s));
        let last = step == done;
        if step > 0 && (is_best || last || (plan.save_every > 0 && step % plan.save_every == 0)) {
            wanted.push(Command::Save { step, best: is_best, last });
        }
    }
    let got: Vec<_> = log.iter().filter(|c| matches!(c, Command::Evaluate { .. } | Command::Save { .. })).cloned().collect();
    assert_eq!(got, wanted);
    let checks: Vec<_> = log.iter().filter_map(|c| if let Command::Check { step } = c { Some(*step) } else { None }).collect();
    let updated = log.iter().filter_map(|c| if let Command::Update { step } = c { Some(*step) } else { None });
    assert_eq!(checks, updated.filter(|s| plan.check_every > 0 && (s - 1) % plan.check_every == 0).collect::<Vec<_>>());
}

fn everything_is_counted(world: &World) {
    let commands = |wanted: fn(&Command) -> bool| world.log.iter().filter(|c| wanted(c)).count() as f64;
    assert_eq!(world.metrics["flow/skipped_steps"], commands(|c| matches!(c, Command::Skip { .. })));
    assert_eq!(world.metrics["rollout/refills"], commands(|c| matches!(c, Command::Draw { refill: 1.., .. })));
    assert_eq!(world.metrics["rollout/duplicates"], world.extra as f64);
    let groups = |size: fn(&Command) -> usize| world.log.iter().map(size).sum::<usize>() as f64;
    let asked = groups(|c| if let Command::Generate(batch) = c { batch.requests.len() } else { 0 });
    let judged = groups(|c| if let Command::Score { groups, .. } = c { groups.len() } else { 0 });
    let trained = groups(|c| if let Command::Credit { groups, .. } = c { groups.len() } else { 0 });
    assert_eq!(world.metrics["rollout/stale"], asked - judged);
    assert_eq!(world.metrics["rollout/dropped_groups"], judged - trained);
}
