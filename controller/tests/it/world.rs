//! A driver whose every answer is an address: the same world gives the same answers, however often a run is stopped and resumed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use collimate_controller::{Command, Controller, ControllerState, Event, Outcome};
use collimate_types::{
    BatchId, Finish, FlowPlan, InfraKind, Metrics, Prompt, Role, Rollout, RolloutBatch, RolloutGroup, ScoredGroup, Seed, StepReport, Task,
    Verdict, WeightsVersion,
};
use proptest::prelude::*;

/// How kind the world is; chances are shares of 1.
#[derive(Debug, Clone)]
pub struct Script {
    pub seed: Seed,
    /// A group comes from weights that are too old.
    pub stale: f64,
    /// A completion gets no score.
    pub unscored: f64,
    /// A step's updates are all skipped because nothing is finite.
    pub not_finite: f64,
    /// A result that may come twice does, at once or later.
    pub twice: f64,
    /// A save fails.
    pub unsaved: f64,
    /// How many prompts the data have.
    pub prompts: u64,
}

impl Script {
    pub fn kind() -> Self {
        Self { seed: Seed(5), stale: 0.0, unscored: 0.0, not_finite: 0.0, twice: 0.0, unsaved: 0.0, prompts: u64::MAX }
    }
}

/// A checkpoint: what the controller says, and what the driver keeps.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    pub state: ControllerState,
    pub cursor: u64,
}

pub struct World {
    pub controller: Controller,
    pub plan: FlowPlan,
    pub script: Script,
    /// Every command, in order.
    pub log: Vec<Command>,
    /// Every group that was judged, in order.
    pub judged: Vec<ScoredGroup>,
    /// How many commands there were when a stop was asked for.
    pub stopped_at: Option<usize>,
    /// Events delivered, duplicates left out.
    pub delivered: usize,
    /// Duplicates delivered.
    pub extra: u64,
    /// What was saved.
    pub checkpoints: BTreeMap<u64, Checkpoint>,
    /// Every boundary that was left, saved or not.
    pub boundaries: BTreeMap<u64, Checkpoint>,
    pub metrics: BTreeMap<String, f64>,
    pub outcome: Option<Outcome>,
    cursor: u64,
    /// The data cursor at the boundary that was left last.
    note: (u64, u64),
    inbox: VecDeque<Event>,
    late: Vec<Event>,
}

impl World {
    pub fn new(plan: &FlowPlan, script: &Script) -> Self {
        let controller = Controller::new(plan.clone(), Arc::default(), script.seed);
        Self::with(controller, plan, script, 0)
    }

    pub fn resume(plan: &FlowPlan, script: &Script, from: &Checkpoint) -> Self {
        let bytes = serde_json::to_string(&from.state).unwrap();
        let controller = Controller::resume(plan.clone(), Arc::default(), serde_json::from_str(&bytes).unwrap()).unwrap();
        Self::with(controller, plan, script, from.cursor)
    }

    fn with(controller: Controller, plan: &FlowPlan, script: &Script, cursor: u64) -> Self {
        let (plan, script) = (plan.clone(), script.clone());
        let (checkpoints, boundaries, metrics) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (log, inbox, late) = (Vec::new(), VecDeque::new(), Vec::new());
        let note = (u64::MAX, 0);
        let (delivered, extra, outcome) = (0, 0, None);
        Self {
            controller,
            plan,
            script,
            log,
            judged: Vec::new(),
            stopped_at: None,
            delivered,
            extra,
            checkpoints,
            boundaries,
            metrics,
            outcome,
            cursor,
            note,
            inbox,
            late,
        }
    }

    /// The run from here to its end; before event `stop`, a stop is asked for.
    pub fn run(mut self, stop: Option<usize>) -> Self {
        self.start();
        while self.outcome.is_none() {
            if stop == Some(self.delivered) {
                self.stopped_at = Some(self.log.len());
                self.deliver(Event::StopRequested);
                if self.outcome.is_some() {
                    break;
                }
            }
            self.turn();
        }
        let rest = self.controller.take_metrics();
        self.count(rest);
        self
    }

    pub fn start(&mut self) {
        let commands = self.controller.start();
        self.carry_out(commands);
    }

    /// Delivers one event, with late ones before it.
    pub fn turn(&mut self) {
        while self.script.twice > 0.0 && !self.late.is_empty() && self.chance("late", self.extra + self.delivered as u64, self.script.twice)
        {
            let which = self.extra as usize % self.late.len();
            let event = self.late.swap_remove(which);
            self.extra += 1;
            assert_eq!(self.controller.on(event), Ok(Vec::new()), "a late result changes nothing");
        }
        let event = self.inbox.pop_front().expect("the controller waits for something");
        self.delivered += 1;
        let may_repeat = matches!(event, Event::Generated { .. } | Event::Scored { .. } | Event::Referenced { .. } | Event::Adopted { .. });
        if may_repeat && self.chance("twice", self.delivered as u64, self.script.twice) {
            self.late.push(event.clone());
        }
        self.deliver(event);
    }

    fn deliver(&mut self, event: Event) {
        let commands = self.controller.on(event).expect("the event fits");
        self.carry_out(commands);
    }

    fn chance(&self, label: &str, index: u64, share: f64) -> bool {
        self.script.seed.fork(label, index).uniform(0) < share
    }

    fn count(&mut self, metrics: Metrics) {
        for (name, value) in metrics.0 {
            *self.metrics.entry(name).or_default() += value;
        }
    }

    fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            assert!(self.outcome.is_none(), "{command:?} after the end");
            self.log.push(command.clone());
            match command {
                Command::Draw { step, refill, count } => self.draw(step, refill, count),
                Command::Generate(batch) => {
                    let groups = self.generate(&batch);
                    self.inbox.push_back(Event::Generated { id: batch.id, groups });
                }
                Command::Score { id, groups } => {
                    let groups: Vec<_> = groups.into_iter().enumerate().map(|(i, g)| self.judge(id, i, g)).collect();
                    self.judged.extend(groups.iter().cloned());
                    self.inbox.push_back(Event::Scored { id, groups });
                }
                Command::Reference { step, groups } => self.inbox.push_back(Event::Referenced { step, groups }),
                Command::Credit { step, .. } => self.inbox.push_back(Event::Credited { step }),
                Command::Check { .. } => {}
                Command::Update { step } => self.update(step),
                Command::Skip { .. } => {
                    let metrics = self.controller.take_metrics();
                    self.count(metrics);
                }
                Command::Publish { version } => self.inbox.push_back(Event::Published { version }),
                Command::Adopt { version } => self.inbox.push_back(Event::Adopted { version }),
                Command::Evaluate { step } => self.inbox.push_back(Event::Evaluated { step, score: score_at(&self.script, step) }),
                Command::Save { step, .. } => self.save(step),
                Command::Finish(outcome) => self.outcome = Some(outcome),
            }
        }
    }

    fn draw(&mut self, step: u64, refill: u32, count: usize) {
        if refill == 0 {
            self.note = (step - 1, self.cursor);
            self.boundaries.insert(step - 1, Checkpoint { state: self.controller.state(), cursor: self.cursor });
        }
        let end = (self.cursor + count as u64).min(self.script.prompts);
        let prompts = (self.cursor..end).map(prompt).collect();
        self.cursor = end;
        self.inbox.push_back(Event::Drawn { step, refill, prompts });
    }

    fn generate(&self, batch: &RolloutBatch) -> Vec<RolloutGroup> {
        let version = self.controller.state().version;
        let mut groups = Vec::new();
        for request in &batch.requests {
            let stale = request.seed.fork("stale", 0).uniform(0) < self.script.stale;
            let oldest = self.controller.state().oldest(self.plan.max_staleness);
            let drawn_by = if stale { oldest.saturating_sub(1) } else { oldest };
            let rollouts = (0..request.group).map(|_| rollout((drawn_by, version))).collect();
            groups.push(RolloutGroup { prompt: Arc::clone(&request.prompt), rollouts });
        }
        groups
    }

    /// Any mix of verdicts; totals are 0 or 1, so that groups without spread are common.
    fn judge(&self, id: BatchId, index: usize, group: RolloutGroup) -> ScoredGroup {
        let place = self.script.seed.fork("judge", id.step).fork("refill", u64::from(id.refill)).fork("group", index as u64);
        let verdict = |member: u64| {
            let luck = place.fork("member", member);
            match luck.uniform(0) {
                u if u < self.script.unscored / 2.0 => Verdict::Unscorable { reason: "no answer".into() },
                u if u < self.script.unscored => {
                    Verdict::InfraError { kind: InfraKind::Deadline, retryable: false, detail: "missed twice".into() }
                }
                _ => Verdict::score_of(f64::from(luck.uniform(1) < 0.5)),
            }
        };
        let verdicts = (0..group.rollouts.len() as u64).map(verdict).collect();
        ScoredGroup { group, verdicts }
    }

    fn update(&mut self, step: u64) {
        let (updates, skipped) = if self.chance("not finite", step, self.script.not_finite) { (0, 2) } else { (2, 0) };
        let version = self.controller.state().version + updates;
        let metrics = self.controller.take_metrics();
        self.count(metrics);
        self.inbox.push_back(Event::Updated(StepReport { step, version, skipped, updates, metrics: Metrics::default() }));
    }

    fn save(&mut self, step: u64) {
        if self.chance("unsaved", step, self.script.unsaved) {
            self.inbox.push_back(Event::NotSaved { step });
            return;
        }
        let state = self.controller.state();
        assert_eq!(state.step, step, "the state is the boundary's");
        let cursor = if self.note.0 == step { self.note.1 } else { self.cursor };
        self.checkpoints.insert(step, Checkpoint { state, cursor });
        self.inbox.push_back(Event::Saved { step });
    }
}

/// The held-out score of a boundary: few values, so that ties happen, and none at times.
pub fn score_at(script: &Script, step: u64) -> Option<f64> {
    let luck = script.seed.fork("score", step).uniform(0);
    (luck > 0.2).then(|| (luck * 4.0).floor())
}

pub fn prompt(index: u64) -> Arc<Prompt> {
    let id = format!("task {index}");
    let task = Task { id, text: Some("1 + 1 =".into()), messages: Vec::new(), truth: serde_json::Value::Null, reward: None };
    Arc::new(Prompt { task: Arc::new(task), text: "1 + 1 =".into(), tokens: vec![1] })
}

pub fn rollout(versions: (WeightsVersion, WeightsVersion)) -> Rollout {
    let (tokens, logp, trained) = (vec![2], vec![-1.0], vec![true]);
    Rollout { tokens, text: "2".into(), logp, logp_behaviour: None, trained, finish: Finish::Eos, versions }
}

pub fn plan() -> FlowPlan {
    FlowPlan {
        roles: vec![Role::Actor, Role::Learner, Role::Reward],
        steps: 3,
        prompts_per_step: 2,
        group_size: 4,
        slots: 8,
        drop_groups_without_spread: false,
        max_refills: 0,
        max_staleness: 0,
        eval_every: 0,
        save_every: 0,
        check_every: 0,
    }
}

prop_compose! {
    pub fn plans()(
        reference: bool, drop_groups_without_spread: bool, steps in 0_u64..6, prompts_per_step in 1_usize..4, group_size in 1_usize..5,
        max_refills in 0_u32..3, max_staleness in 0_u64..3, eval_every in 0_u64..4, save_every in 0_u64..4, check_every in 0_u64..4,
    ) -> FlowPlan {
        let mut roles = plan().roles;
        roles.extend(reference.then_some(Role::Reference));
        FlowPlan {
            roles, steps, prompts_per_step, group_size, slots: 8, drop_groups_without_spread, max_refills, max_staleness, eval_every,
            save_every, check_every,
        }
    }
}

prop_compose! {
    pub fn scripts()(
        seed: u64, stale in 0.0..0.6, unscored in 0.0..0.8, not_finite in 0.0..0.5, twice in 0.0..0.7,
        prompts in prop_oneof![Just(u64::MAX), 0_u64..40],
    ) -> Script {
        Script { seed: Seed(seed), stale, unscored, not_finite, twice, unsaved: 0.0, prompts }
    }
}
