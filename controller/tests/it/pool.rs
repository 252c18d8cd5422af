//! The pool of actors against whatever actors may do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use collimate_controller::pool::{ActorId, GiveUp, Millis, Pool, PoolCommand, PoolError, PoolEvent, PoolPlan, cut};
use collimate_types::{BatchId, RolloutBatch, RolloutGroup, RolloutRequest, Sampling, Seed, WeightsVersion};
use proptest::prelude::*;

use crate::world::{prompt, rollout};

fn batch(step: u64, prompts: u64) -> RolloutBatch {
    let request = |i| RolloutRequest { prompt: prompt(step * 100 + i), group: 2, sampling: Arc::new(Sampling::default()), seed: Seed(i) };
    RolloutBatch { id: BatchId { step, refill: 0 }, requests: (0..prompts).map(request).collect(), slots: 8 }
}

fn answer(batch: &RolloutBatch, version: WeightsVersion) -> Vec<RolloutGroup> {
    let group = |r: &RolloutRequest| RolloutGroup { prompt: r.prompt.clone(), rollouts: vec![rollout((version, version)); r.group] };
    batch.requests.iter().map(group).collect()
}

/// Actors that do as they are told, and what was committed.
struct Bench {
    pool: Pool,
    now: Millis,
    /// What each live process was told last and has not done.
    jobs: BTreeMap<ActorId, Vec<PoolCommand>>,
    live: BTreeSet<ActorId>,
    versions: BTreeMap<ActorId, WeightsVersion>,
    committed: Vec<(BatchId, Vec<RolloutGroup>)>,
    settled: Vec<WeightsVersion>,
    log: Vec<PoolCommand>,
    gave_up: Option<GiveUp>,
}

impl Bench {
    fn new(plan: PoolPlan) -> Self {
        let pool = Pool::new(plan, 0);
        let mut bench = Self {
            pool,
            now: 0,
            jobs: BTreeMap::new(),
            live: BTreeSet::new(),
            versions: BTreeMap::new(),
            committed: Vec::new(),
            settled: Vec::new(),
            log: Vec::new(),
            gave_up: None,
        };
        bench.event(PoolEvent::Tick);
        bench
    }

    fn event(&mut self, event: PoolEvent) {
        let commands = self.pool.on(event, self.now);
        self.take(commands);
    }

    fn take(&mut self, commands: Vec<PoolCommand>) {
        for command in commands {
            assert!(self.gave_up.is_none(), "{command:?} after the end");
            self.log.push(command.clone());
            match command {
                PoolCommand::Start(who) => {
                    assert!(!self.live.iter().any(|other| other.actor == who.actor), "{who} is started beside another start of it");
                    self.live.insert(who);
                    self.jobs.insert(who, vec![PoolCommand::Start(who)]);
                }
                PoolCommand::Kill { who, .. } => {
                    self.live.remove(&who);
                    self.jobs.remove(&who);
                }
                PoolCommand::Send { who, .. } => {
                    let version = self.versions.get(&who).copied();
                    assert!(version.is_some_and(|v| v >= self.pool.oldest()), "{who} is given work with weights {version:?}");
                    self.jobs.get_mut(&who).expect("it lives").push(command);
                }
                PoolCommand::Offer { who, .. } => self.jobs.get_mut(&who).expect("it lives").push(command),
                PoolCommand::Commit { id, groups } => self.committed.push((id, groups)),
                PoolCommand::AllAdopted { version } => self.settled.push(version),
                PoolCommand::GiveUp(why) => self.gave_up = Some(why),
            }
        }
    }

    /// An actor does the first thing it was told.
    fn act(&mut self, who: ActorId) -> Option<PoolEvent> {
        let jobs = self.jobs.get_mut(&who)?;
        if jobs.is_empty() {
            return None;
        }
        let event = match jobs.remove(0) {
            PoolCommand::Start(who) => PoolEvent::Joined(who),
            PoolCommand::Offer { who, version } => {
                self.versions.insert(who, version);
                PoolEvent::Adopted { who, version }
            }
            PoolCommand::Send { who, lease, part, batch } => {
                PoolEvent::Generated { who, lease, id: batch.id, part, groups: answer(&batch, self.versions[&who]) }
            }
            other => panic!("{other:?} is no job"),
        };
        Some(event)
    }

    /// All actors do all they are told.
    fn settle(&mut self) {
        for turn in 0.. {
            assert!(turn < 2_000, "the pool comes to no rest; it waits for {:?}", self.pool.deadline());
            if self.gave_up.is_some() {
                return;
            }
            let next = self.jobs.iter().find(|(_, jobs)| !jobs.is_empty()).map(|(who, _)| *who);
            let Some(who) = next else {
                let Some((at, _)) = self.pool.deadline() else { return };
                if self.live.len() == self.pool.view().len() {
                    return;
                }
                self.now = self.now.max(at);
                self.event(PoolEvent::Tick);
                continue;
            };
            let event = self.act(who).expect("it has something to do");
            self.event(event);
        }
    }

    fn generate(&mut self, batch: &RolloutBatch) {
        let commands = self.pool.generate(batch, self.now).unwrap();
        self.take(commands);
    }

    fn metric(&mut self, name: &str) -> f64 {
        self.pool.take_metrics().get(name).unwrap()
    }
}

fn plan(actors: u32, prompts_per_part: usize) -> PoolPlan {
    PoolPlan { actors, prompts_per_part, max_failures: 1000, max_deaths: 1000, ..PoolPlan::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever dies, hangs, repeats itself or comes late: every batch is committed once, whole and in order, by fresh enough weights.
    #[test]
    fn every_batch_is_committed_once_whatever_happens(
        actors in 1_u32..5, per_part in 0_usize..4, prompts in 1_u64..7, max_staleness in 0_u64..2,
        chaos in proptest::collection::vec((0_u8..9, any::<u32>()), 0..150),
    ) {
        let mut bench = Bench::new(PoolPlan { max_staleness, batches: 2, ..plan(actors, per_part) });
        let mut past: Vec<PoolEvent> = Vec::new();
        let (mut step, mut version) = (0, 0);
        for (what, pick) in chaos {
            let live: Vec<ActorId> = bench.live.iter().copied().collect();
            let who = (!live.is_empty()).then(|| live[pick as usize % live.len()]);
            match (what, who) {
                (0, Some(who)) => { // Killed: what it was doing is never told.
                    bench.live.remove(&who);
                    bench.jobs.remove(&who);
                    bench.event(PoolEvent::Left { who, why: "was killed by signal 9".into() });
                }
                (1, _) => { // Time passes until something is due.
                    let Some((at, what)) = bench.pool.deadline() else { continue };
                    prop_assert!(!what.is_empty());
                    bench.now = bench.now.max(at);
                    bench.event(PoolEvent::Tick);
                }
                (2, _) if !past.is_empty() => { // Something is said once more, much later.
                    let echo = past[pick as usize % past.len()].clone();
                    bench.event(echo);
                }
                (3, _) if bench.pool.batches() < 2 => {
                    step += 1;
                    bench.generate(&batch(step, prompts));
                }
                (4, _) => {
                    version += 2;
                    let commands = bench.pool.publish(version, bench.now).unwrap();
                    bench.take(commands);
                }
                (_, Some(who)) => if let Some(event) = bench.act(who) {
                    past.push(event.clone());
                    bench.event(event);
                }
                _ => {}
            }
            prop_assert!(bench.pool.batches() <= 2);
        }
        bench.settle();
        let mut ids: Vec<u64> = bench.committed.iter().map(|(id, _)| id.step).collect();
        ids.sort_unstable();
        prop_assert_eq!(ids, (1..=step).collect::<Vec<_>>());
        for (id, groups) in &bench.committed {
            let tasks: Vec<_> = groups.iter().map(|g| &g.prompt.task.id).collect();
            let asked = batch(id.step, prompts);
            prop_assert_eq!(tasks, asked.requests.iter().map(|r| &r.prompt.task.id).collect::<Vec<_>>());
        }
        prop_assert!(bench.settled.is_sorted());
        prop_assert_eq!(bench.settled.last().copied().unwrap_or(0), version, "the newest weights are everywhere in the end");
        prop_assert!(bench.pool.view().iter().all(|m| m.place == "idle" && m.version == Some(version) && m.work.is_none()));
    }
}

#[test]
fn parts_are_cut_by_the_plan_alone_and_put_together_again() {
    for (per_part, wanted) in [(0, vec![5]), (1, vec![1; 5]), (2, vec![2, 2, 1]), (9, vec![5])] {
        let parts = cut(&batch(1, 5), per_part);
        assert_eq!(parts.iter().map(|p| p.requests.len()).collect::<Vec<_>>(), wanted);
        let joined: Vec<_> = parts.into_iter().flat_map(|p| p.requests).collect();
        assert_eq!(joined, batch(1, 5).requests);
    }
}

#[test]
fn a_late_result_of_a_frozen_actor_is_thrown_away_and_its_part_redone_by_another() {
    let mut bench = Bench::new(PoolPlan { stall_ms: 500, ..plan(2, 0) });
    bench.settle();
    bench.generate(&batch(1, 3));
    let frozen = *bench.jobs.iter().find(|(_, jobs)| !jobs.is_empty()).unwrap().0;
    let late = bench.act(frozen).unwrap();
    bench.now = 400;
    bench.event(PoolEvent::Progress(frozen));
    let (at, what) = bench.pool.deadline().unwrap();
    assert_eq!((at, what.as_str()), (900, "progress of part 0 of step 1 refill 0 from actor 0 (start 1)"));
    bench.now = at;
    bench.event(PoolEvent::Tick);
    assert!(bench.log.iter().any(|c| matches!(c, PoolCommand::Kill { who, why } if *who == frozen && why.contains("progress of part 0"))));
    bench.event(late);
    assert!(bench.committed.is_empty(), "it came under a lease that had ended");
    bench.settle();
    assert_eq!(bench.committed.len(), 1);
    let metrics = bench.pool.take_metrics();
    let count = |name| metrics.get(name).unwrap();
    assert_eq!((count("spread/redone"), count("spread/late"), count("spread/restarts")), (1.0, 1.0, 1.0));
}

#[test]
fn a_result_counts_under_the_lease_that_its_part_has_now_and_under_no_other() {
    let mut bench = Bench::new(plan(1, 0));
    bench.settle();
    bench.generate(&batch(1, 1));
    let who = *bench.jobs.iter().find(|(_, jobs)| !jobs.is_empty()).unwrap().0;
    let Some(PoolEvent::Generated { lease, id, part, groups, .. }) = bench.act(who) else { panic!("it generates") };
    for (lease, part) in [(lease + 1, part), (lease - 1, part), (lease, part + 1)] {
        bench.event(PoolEvent::Generated { who, lease, id, part, groups: groups.clone() });
        assert!(bench.committed.is_empty());
    }
    bench.event(PoolEvent::Generated { who, lease, id, part, groups });
    assert_eq!((bench.committed.len(), bench.metric("spread/late")), (1, 3.0));
}

/// A process that is started anew knows nothing of what the one before it had taken.
#[test]
fn weights_are_everywhere_only_when_every_process_that_lives_has_taken_them_itself() {
    let mut bench = Bench::new(plan(2, 0));
    bench.settle();
    let commands = bench.pool.publish(2, 0).unwrap();
    bench.take(commands);
    let [a, b] = bench.live.iter().copied().collect::<Vec<_>>()[..] else { panic!("two live") };
    let taken = bench.act(a).unwrap();
    bench.event(taken);
    bench.live.remove(&a);
    bench.jobs.remove(&a);
    bench.event(PoolEvent::Left { who: a, why: "was killed".into() });
    bench.now = 1000;
    bench.event(PoolEvent::Tick);
    let again = ActorId { incarnation: 2, ..a };
    let joined = bench.act(again).unwrap();
    bench.event(joined);
    let taken = bench.act(b).unwrap();
    bench.event(taken);
    assert!(bench.settled.is_empty(), "{again} has not taken them");
    let taken = bench.act(again).unwrap();
    bench.event(taken);
    assert_eq!(bench.settled, [2]);
}

#[test]
fn an_actor_that_never_works_stops_the_run_by_its_name_and_its_last_words() {
    let mut bench = Bench::new(PoolPlan { max_failures: 4, ..plan(2, 0) });
    let (mut starts, mut waits) = (0, Vec::new());
    while bench.gave_up.is_none() {
        if let Some(who) = bench.live.iter().copied().find(|who| who.actor == 1) {
            starts += 1;
            bench.live.remove(&who);
            bench.event(PoolEvent::Left { who, why: "ended with code 3: there is no model at `/nowhere`".into() });
        } else {
            let at = bench.pool.deadline().unwrap().0;
            waits.push(at - bench.now);
            bench.now = at;
            bench.event(PoolEvent::Tick);
        }
    }
    assert_eq!(starts, 4);
    let waits: Vec<_> = waits.into_iter().filter(|w| *w > 0).collect();
    assert!(waits.len() == 3 && waits[0] <= 100 && waits[1] <= 200 && (200..=400).contains(&waits[2]), "{waits:?}");
    let said = bench.gave_up.unwrap().to_string();
    assert!(said.contains("actor 1 failed 4 times in a row") && said.contains("code 3: there is no model at `/nowhere`"), "{said}");
}

#[test]
fn an_actor_that_works_between_its_failures_is_started_again_for_ever() {
    let mut bench = Bench::new(PoolPlan { max_failures: 2, ..plan(1, 0) });
    for step in 1..=50 {
        bench.settle();
        bench.generate(&batch(step, 1));
        let who = *bench.live.first().unwrap();
        bench.live.clear();
        bench.jobs.clear();
        bench.event(PoolEvent::Left { who, why: "was killed".into() });
        bench.settle();
        assert_eq!((bench.committed.len() as u64, &bench.gave_up), (step, &None));
    }
    assert_eq!(bench.metric("spread/restarts"), 50.0);
}

#[test]
fn a_part_that_ends_every_actor_stops_the_run_by_its_address() {
    let mut bench = Bench::new(PoolPlan { max_deaths: 3, ..plan(4, 1) });
    bench.settle();
    bench.generate(&batch(7, 2));
    while bench.gave_up.is_none() {
        let poisoned = |jobs: &Vec<PoolCommand>| jobs.iter().any(|c| matches!(c, PoolCommand::Send { part: 1, .. }));
        if let Some(who) = bench.jobs.iter().find(|(_, jobs)| poisoned(jobs)).map(|(who, _)| *who) {
            bench.live.remove(&who);
            bench.jobs.remove(&who);
            bench.event(PoolEvent::Left { who, why: "was killed by signal 9".into() });
        } else {
            bench.settle();
        }
    }
    assert_eq!(
        bench.gave_up,
        Some(GiveUp::Poison { id: BatchId { step: 7, refill: 0 }, part: 1, deaths: 3, why: "was killed by signal 9".into() })
    );
}

#[test]
fn an_answer_that_is_not_what_was_asked_costs_the_actor_and_not_the_run() {
    let mut bench = Bench::new(plan(2, 0));
    bench.settle();
    bench.generate(&batch(1, 2));
    let who = *bench.jobs.iter().find(|(_, jobs)| !jobs.is_empty()).unwrap().0;
    let Some(PoolEvent::Generated { lease, id, part, mut groups, .. }) = bench.act(who) else { panic!("it generates") };
    groups.reverse();
    bench.event(PoolEvent::Generated { who, lease, id, part, groups });
    assert!(bench.log.iter().any(
        |c| matches!(c, PoolCommand::Kill { why, .. } if why.contains("2 completions of task `task 101` in place of 2 of `task 100`"))
    ));
    bench.settle();
    assert_eq!(bench.committed.len(), 1);
}

#[test]
fn what_is_one_too_many_or_goes_backwards_is_refused() {
    let mut bench = Bench::new(plan(1, 0));
    bench.generate(&batch(1, 1));
    assert!(matches!(bench.pool.generate(&batch(2, 1), 0), Err(PoolError::Full { limit: 1, .. })));
    bench.pool.abandon(BatchId { step: 1, refill: 0 });
    bench.generate(&batch(2, 1));
    assert_eq!(bench.pool.publish(0, 0), Err(PoolError::Version { got: 0, newest: 0 }));
    bench.settle();
    assert_eq!(bench.committed.len(), 1, "the abandoned one is not generated");
}

#[test]
fn whoever_is_offered_newer_weights_takes_them_before_it_works_even_where_old_ones_would_do() {
    let mut bench = Bench::new(PoolPlan { max_staleness: 1, ..plan(1, 0) });
    bench.settle();
    let commands = bench.pool.publish(2, 0).unwrap();
    bench.take(commands);
    bench.generate(&batch(1, 1));
    let who = *bench.live.first().unwrap();
    assert!(matches!(bench.jobs[&who][..], [PoolCommand::Offer { version: 2, .. }]), "{:?}", bench.jobs[&who]);
    bench.settle();
    assert_eq!(bench.committed[0].1[0].rollouts[0].versions, (2, 2));
}

#[test]
fn with_nobody_there_new_weights_are_everywhere_at_once_and_who_comes_takes_them() {
    let mut bench = Bench::new(plan(1, 0));
    let commands = bench.pool.publish(2, 0).unwrap();
    assert_eq!(commands, [PoolCommand::AllAdopted { version: 2 }]);
    bench.settle();
    assert_eq!(bench.pool.view()[0].version, Some(2));
}
