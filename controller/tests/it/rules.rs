//! Single rules, each by an example.

use std::sync::Arc;

use collimate_controller::{Command, Controller, ControllerError, Event, MAX_REQUEUES, MAX_STEPS_WITHOUT_UPDATE, Outcome, Phase};
use collimate_types::{BatchId, FlowPlan, Metrics, Role, RolloutGroup, ScoredGroup, Seed, StepReport, Verdict};

use crate::world::{Script, World, plan, prompt, rollout};

const FIRST: BatchId = BatchId { step: 1, refill: 0 };

fn group(task: u64, versions: (u64, u64)) -> RolloutGroup {
    RolloutGroup { prompt: prompt(task), rollouts: (0..4).map(|_| rollout(versions)).collect() }
}

fn scored(task: u64, totals: &[f64]) -> ScoredGroup {
    let unscored = || Verdict::Unscorable { reason: "no answer".into() };
    let verdicts = (0..4).map(|i| totals.get(i).map_or_else(unscored, |t| Verdict::score_of(*t))).collect();
    ScoredGroup { group: group(task, (0, 0)), verdicts }
}

/// A run that waits for the completions of its first batch, tasks 0 and 1.
fn generating(plan: FlowPlan) -> Controller {
    let mut controller = Controller::new(plan, Arc::default(), Seed(1));
    assert_eq!(controller.start(), [Command::Draw { step: 1, refill: 0, count: 2 }]);
    controller.on(Event::Drawn { step: 1, refill: 0, prompts: vec![prompt(0), prompt(1)] }).unwrap();
    controller
}

/// A run that waits for the verdicts of its first batch.
fn scoring(plan: FlowPlan) -> Controller {
    let mut controller = generating(plan);
    controller.on(Event::Generated { id: FIRST, groups: vec![group(0, (0, 0)), group(1, (0, 0))] }).unwrap();
    controller
}

#[test]
fn the_shortest_run_reads_like_the_program() {
    let world = World::new(&FlowPlan { steps: 1, eval_every: 1, check_every: 1, ..plan() }, &Script::kind()).run(None);
    let names: Vec<_> = world.log.iter().map(|c| format!("{c:?}").split([' ', '(']).next().unwrap().to_owned()).collect();
    let program = "Evaluate Draw Generate Score Credit Check Update Publish Adopt Evaluate Save Finish";
    assert_eq!(names.join(" "), program);
}

#[test]
fn a_group_with_one_score_is_dropped_and_another_is_drawn() {
    let mut controller = scoring(FlowPlan { max_refills: 1, ..plan() });
    let groups = vec![scored(0, &[1.0]), scored(1, &[1.0, 1.0])];
    assert_eq!(controller.on(Event::Scored { id: FIRST, groups }), Ok(vec![Command::Draw { step: 1, refill: 1, count: 1 }]));
    let metrics = controller.take_metrics();
    assert_eq!((metrics.get("rollout/dropped_groups"), metrics.get("rollout/refills")), (Some(1.0), Some(1.0)));
    assert_eq!(controller.take_metrics().get("rollout/refills"), Some(0.0));
}

#[test]
fn a_group_without_spread_is_dropped_only_if_the_plan_says_so() {
    for drop_groups_without_spread in [false, true] {
        let mut controller = scoring(FlowPlan { drop_groups_without_spread, ..plan() });
        let groups = vec![scored(0, &[1.0, 1.0, 1.0, 1.0]), scored(1, &[0.0, 1.0])];
        let commands = controller.on(Event::Scored { id: FIRST, groups }).unwrap();
        let [Command::Credit { groups, .. }] = &commands[..] else { panic!("{commands:?}") };
        assert_eq!(groups.len(), if drop_groups_without_spread { 1 } else { 2 });
    }
}

#[test]
fn a_group_of_one_is_whole_with_one_score() {
    let world = World::new(&FlowPlan { group_size: 1, ..plan() }, &Script::kind()).run(None);
    assert_eq!(world.outcome, Some(Outcome::Done));
    assert_eq!(world.metrics["rollout/dropped_groups"], 0.0);
    let trained = world.log.iter().map(|c| if let Command::Credit { groups, .. } = c { groups.len() } else { 0 });
    assert_eq!(trained.sum::<usize>(), 6);
}

#[test]
fn groups_that_come_back_from_the_reference_are_the_ones_that_went() {
    let mut with_reference = plan();
    with_reference.roles.push(Role::Reference);
    let mut controller = scoring(with_reference);
    let good = || vec![scored(0, &[1.0, 0.0]), scored(1, &[1.0, 0.0])];
    let asked = controller.on(Event::Scored { id: FIRST, groups: good() });
    assert_eq!(asked, Ok(vec![Command::Reference { step: 1, groups: good() }]));
    let swapped = good().into_iter().rev().collect();
    for (groups, what) in [(vec![scored(0, &[1.0, 0.0])], "holds 1 groups, wanted 2"), (swapped, "group 0 answers task `task 1`")] {
        let refused = controller.on(Event::Referenced { step: 1, groups }).unwrap_err().to_string();
        assert!(refused.contains(what), "{refused}");
    }
    let credit = controller.on(Event::Referenced { step: 1, groups: good() });
    assert_eq!(credit, Ok(vec![Command::Credit { step: 1, groups: good() }]));
}

#[test]
fn a_version_and_its_updates_must_agree() {
    let mut controller = scoring(plan());
    controller.on(Event::Scored { id: FIRST, groups: vec![scored(0, &[1.0, 0.0]), scored(1, &[1.0, 0.0])] }).unwrap();
    controller.on(Event::Credited { step: 1 }).unwrap();
    let report = |version, updates| StepReport { step: 1, version, skipped: 0, updates, metrics: Metrics::default() };
    for (version, updates, rule) in [(0, 1, "an update must come after version 0"), (1, 0, "without an update it stays at version 0")] {
        let refused = controller.on(Event::Updated(report(version, updates))).unwrap_err().to_string();
        assert!(refused.contains(rule), "{refused}");
    }
    assert_eq!(controller.on(Event::Updated(report(1, 1))), Ok(vec![Command::Publish { version: 1 }]));
}

#[test]
fn a_stale_group_is_refused_and_its_prompt_generated_again() {
    let mut world = World::new(&FlowPlan { steps: 2, max_refills: 0, ..plan() }, &Script::kind());
    world.start();
    while !matches!(world.log.last(), Some(Command::Generate(batch)) if batch.id.step == 2) {
        world.turn();
    }
    let version = world.controller.view().version;
    let mut groups = vec![group(2, (version - 1, version)), group(3, (version, version))];
    let id = BatchId { step: 2, refill: 0 };
    let commands = world.controller.on(Event::Generated { id, groups: groups.clone() }).unwrap();
    groups.remove(0);
    assert_eq!(commands, [Command::Score { id, groups: groups.clone() }]);
    let verdicts = vec![Verdict::score_of(0.0); 4];
    let judged = groups.into_iter().map(|group| ScoredGroup { group, verdicts: verdicts.clone() }).collect();
    let commands = world.controller.on(Event::Scored { id, groups: judged }).unwrap();
    let [Command::Generate(batch)] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!((batch.id.refill, batch.requests.len(), &batch.requests[0].prompt), (1, 1, &prompt(2)));
}

#[test]
fn actors_that_never_take_new_weights_starve_the_run_and_do_not_hold_it_for_ever() {
    let script = Script { stale: 1.0, ..Script::kind() };
    let world = World::new(&FlowPlan { steps: 20, max_refills: 1, ..plan() }, &script).run(None);
    assert_eq!(world.outcome, Some(Outcome::Starved { steps: MAX_STEPS_WITHOUT_UPDATE }));
    let batches = world.log.iter().filter(|c| matches!(c, Command::Generate(batch) if batch.id.step == 2)).count();
    assert_eq!(batches, 2 + MAX_REQUEUES as usize);
}

#[test]
fn a_run_without_a_finite_update_ends_and_keeps_its_last_boundary() {
    let script = Script { not_finite: 1.0, ..Script::kind() };
    let world = World::new(&FlowPlan { steps: 20, ..plan() }, &script).run(None);
    assert_eq!(world.outcome, Some(Outcome::NotFinite { steps: MAX_STEPS_WITHOUT_UPDATE }));
    assert!(world.checkpoints.contains_key(&MAX_STEPS_WITHOUT_UPDATE));
    assert!(!world.log.iter().any(|c| matches!(c, Command::Publish { .. })), "nothing new, nothing published");
    let again = World::resume(&world.plan, &script, &world.checkpoints[&MAX_STEPS_WITHOUT_UPDATE]).run(None);
    assert_eq!(again.checkpoints.keys().copied().collect::<Vec<_>>(), [2 * MAX_STEPS_WITHOUT_UPDATE], "a mended recipe gets its steps");
}

#[test]
fn of_equal_scores_the_earlier_stays_best_and_a_nan_is_no_score() {
    let mut controller = Controller::new(FlowPlan { steps: 9, eval_every: 1, ..plan() }, Arc::default(), Seed(1));
    assert_eq!(controller.start(), [Command::Evaluate { step: 0 }]);
    let mut todo = controller.on(Event::Evaluated { step: 0, score: Some(9.0) }).unwrap();
    let mut best = Vec::new();
    for (step, score) in (1..).zip([Some(f64::NAN), None, Some(0.5), Some(0.5), Some(0.6), Some(0.4)]) {
        assert_eq!(todo, [Command::Draw { step, refill: 0, count: 2 }]);
        // Without data, the step is skipped: the boundary is what is looked at here.
        let commands = controller.on(Event::Drawn { step, refill: 0, prompts: Vec::new() }).unwrap();
        assert_eq!(commands, [Command::Skip { step }, Command::Evaluate { step }]);
        todo = controller.on(Event::Evaluated { step, score }).unwrap();
        if let [Command::Save { step, best: is_best, .. }] = todo[..] {
            best.extend(is_best.then_some(step));
            todo = controller.on(Event::Saved { step }).unwrap();
        }
        if todo == [Command::Finish(Outcome::Starved { steps: 5 })] {
            break;
        }
    }
    assert_eq!(best, [3, 5]);
    assert_eq!(controller.state().best.map(|b| (b.step, b.score)), Some((5, 0.6)));
}

#[test]
fn what_does_not_fit_is_refused_with_both_names_and_changes_nothing() {
    let (plan, script) = (FlowPlan { eval_every: 1, save_every: 1, ..plan() }, Script::kind());
    let undisturbed = World::new(&plan, &script).run(None);
    let mut world = World::new(&plan, &script);
    assert!(world.controller.on(Event::Credited { step: 1 }).is_err(), "not started");
    world.start();
    while world.outcome.is_none() {
        let report = StepReport { step: 77, version: 77, skipped: 0, updates: 1, metrics: Metrics::default() };
        for wrong in [
            Event::Drawn { step: 77, refill: 0, prompts: Vec::new() },
            Event::Credited { step: 77 },
            Event::Updated(report),
            Event::Published { version: 77 },
            Event::Evaluated { step: 77, score: None },
            Event::Saved { step: 77 },
        ] {
            let name = wrong.to_string();
            let phase = world.controller.view().phase.to_string();
            let refused = world.controller.on(wrong).unwrap_err();
            assert!(matches!(refused, ControllerError::Misfit { .. }));
            let message = refused.to_string();
            assert!(message.contains(&format!("`{name}`")) && message.contains(&format!("state `{phase}, step")), "{message}");
        }
        world.turn();
    }
    assert_eq!(world.log, undisturbed.log);
    assert_eq!(world.controller.view().phase, Phase::Finished);
}

#[test]
fn answers_with_the_wrong_content_are_refused_and_the_right_one_is_still_taken() {
    let mut controller = generating(plan());
    let good = || vec![group(0, (0, 0)), group(1, (0, 0))];
    let mut short = good();
    short[1].rollouts.pop();
    for (groups, what) in [
        (vec![group(0, (0, 0))], "holds 1 groups, wanted 2"),
        (short, "holds 3 completions in a group, wanted 4"),
        (vec![group(1, (0, 0)), group(0, (0, 0))], "group 0 answers task `task 1`, wanted task `task 0`"),
        (vec![group(0, (0, 0)), group(1, (0, 1))], "speaks of version 1, but the newest that an actor can run is version 0"),
    ] {
        let refused = controller.on(Event::Generated { id: FIRST, groups }).unwrap_err().to_string();
        assert!(refused.contains(what), "{refused}");
    }
    assert_eq!(controller.on(Event::Generated { id: FIRST, groups: good() }), Ok(vec![Command::Score { id: FIRST, groups: good() }]));
    let mut unjudged = vec![scored(0, &[1.0, 0.0]), scored(1, &[1.0, 0.0])];
    unjudged[0].verdicts.pop();
    let refused = controller.on(Event::Scored { id: FIRST, groups: unjudged }).unwrap_err().to_string();
    assert!(refused.contains("holds 3 verdicts in a group, wanted 4"), "{refused}");
    assert_eq!(controller.view().phase, Phase::Score);
}

#[test]
fn a_stop_before_the_first_boundary_saves_nothing() {
    let mut controller = generating(plan());
    assert_eq!(controller.on(Event::StopRequested), Ok(vec![Command::Finish(Outcome::Stopped { saved_step: None })]));
    assert_eq!(controller.on(Event::StopRequested), Ok(Vec::new()));
    let mut unstarted = Controller::new(FlowPlan { eval_every: 1, ..plan() }, Arc::default(), Seed(1));
    assert_eq!(unstarted.on(Event::StopRequested), Ok(Vec::new()));
    assert_eq!(unstarted.start(), [Command::Finish(Outcome::Stopped { saved_step: None })]);
}
