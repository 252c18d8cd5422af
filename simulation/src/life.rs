//! One life of the launcher: it carries the controller's commands out, as the driver of a real run does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use collimate_controller::pool::{Pool, PoolCommand};
use collimate_controller::{Command, Controller, Event, Outcome};
use collimate_types::{
    BatchId, Metrics, Prompt, RolloutBatch, RolloutGroup, Sampling, ScoredGroup, Seed, StepReport, Task, Verdict, WeightsVersion,
};

use crate::Scenario;
use crate::disk::{Disk, Saved};

/// What a command leads to.
#[derive(Debug)]
pub(crate) enum Next {
    /// The controller hears of it after so long.
    After(u64, Event),
    /// The pool is asked.
    Pool(Vec<PoolCommand>),
    /// A boundary is to be saved.
    Save(Box<Saved>),
    /// The life is over.
    Over(Outcome),
    /// Nothing follows.
    Nothing,
}

/// A launcher with its learner.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) controller: Controller,
    pub(crate) pool: Pool,
    /// The weights, and those of every version that was published in this life.
    pub(crate) digest: u64,
    pub(crate) published: BTreeMap<WeightsVersion, u64>,
    cursor: u64,
    /// The cursor at the last boundary, and whether no step is under way.
    boundary: (u64, bool),
    credited: Vec<ScoredGroup>,
    committed: BTreeSet<BatchId>,
}

impl Life {
    /// A run from its beginning, or from what was saved.
    pub(crate) fn new(scenario: &Scenario, saved: Option<Saved>) -> Result<Self, String> {
        let sampling = Arc::new(Sampling::default());
        let (cursor, digest) = saved.as_ref().map_or((0, 1), |s| (s.cursor, s.digest));
        let controller = match saved {
            None => Controller::new(scenario.flow.clone(), sampling, Seed(scenario.seed)),
            Some(saved) => Controller::resume(scenario.flow.clone(), sampling, saved.controller).map_err(|e| e.to_string())?,
        };
        let version = controller.view().version;
        Ok(Self {
            pool: Pool::new(scenario.pool.clone(), version),
            controller,
            digest,
            published: BTreeMap::from([(version, digest)]),
            cursor,
            boundary: (cursor, true),
            credited: Vec::new(),
            committed: BTreeSet::new(),
        })
    }

    /// Carries a command out at a moment.
    pub(crate) fn carry_out(&mut self, command: Command, scenario: &Scenario, disk: &Disk, now: u64) -> Result<Next, String> {
        let quick = |event| Ok(Next::After(1, event));
        match command {
            Command::Draw { step, refill, count } => {
                if refill == 0 {
                    self.boundary = (self.cursor, false);
                }
                let prompts = (0..count as u64).map(|i| prompt(self.cursor + i)).collect();
                self.cursor += count as u64;
                quick(Event::Drawn { step, refill, prompts })
            }
            Command::Generate(batch) => self.generate(&batch, now).map(Next::Pool),
            Command::Score { id, groups } => {
                let judge = |(index, group)| judge(scenario, id, index, group);
                quick(Event::Scored { id, groups: (0..).zip(groups).map(judge).collect() })
            }
            Command::Reference { step, groups } => quick(Event::Referenced { step, groups }),
            Command::Credit { step, groups } => {
                self.credited = groups;
                quick(Event::Credited { step })
            }
            Command::Update { step } => self.update(step, scenario, disk).map(|report| Next::After(10, Event::Updated(report))),
            Command::Skip { step } => {
                self.finish_step(step, disk)?;
                Ok(Next::Nothing)
            }
            Command::Publish { version } => {
                if self.published.keys().next_back().is_some_and(|newest| *newest >= version) {
                    return Err(format!("version {version} is published after {:?}", self.published.keys().next_back()));
                }
                self.published.insert(version, self.digest);
                quick(Event::Published { version })
            }
            Command::Adopt { version } => self.pool.publish(version, now).map(Next::Pool).map_err(|e| e.to_string()),
            Command::Evaluate { step } => quick(Event::Evaluated { step, score: Some((self.digest % 7) as f64) }),
            Command::Save { step, .. } => {
                let (then, closed) = self.boundary;
                let cursor = if closed { self.cursor } else { then };
                let controller = self.controller.state();
                if controller.step != step {
                    return Err(format!("a save of step {step} holds the state of step {}", controller.step));
                }
                Ok(Next::Save(Box::new(Saved { controller, cursor, digest: self.digest })))
            }
            Command::Check { .. } => Ok(Next::Nothing),
            Command::Finish(outcome) => Ok(Next::Over(outcome)),
        }
    }

    fn generate(&mut self, batch: &RolloutBatch, now: u64) -> Result<Vec<PoolCommand>, String> {
        self.pool.generate(batch, now).map_err(|e| e.to_string())
    }

    /// A batch came back from the pool: what the controller hears.
    pub(crate) fn commit(&mut self, id: BatchId, groups: Vec<RolloutGroup>, scenario: &Scenario) -> Result<Event, String> {
        if !self.committed.insert(id) {
            return Err(format!("batch {id} is committed twice"));
        }
        let newest = self.controller.view().version;
        for version in groups.iter().flat_map(|g| &g.rollouts).map(|r| r.versions.0) {
            let later = self.published.keys().filter(|v| (version + 1..=newest).contains(*v)).count() as u64;
            if !self.published.contains_key(&version) || later > scenario.flow.max_staleness {
                return Err(format!("batch {id} was generated with version {version}, {later} publications before {newest}"));
            }
        }
        Ok(Event::Generated { id, groups })
    }

    /// Learning: the weights become a function of what they were and of what they learn from.
    fn update(&mut self, step: u64, scenario: &Scenario, disk: &Disk) -> Result<StepReport, String> {
        let mut digest = Seed(self.digest).fork("step", step);
        for group in std::mem::take(&mut self.credited) {
            for (rollout, verdict) in group.group.rollouts.iter().zip(&group.verdicts) {
                let tokens = rollout.tokens.iter().fold(0, |sum: u64, t| sum.rotate_left(32) ^ u64::from(*t));
                digest = digest.fork("rollout", tokens).fork("total", verdict.score().map_or(u64::MAX, |s| s.total.to_bits()));
            }
        }
        // Some steps are not finite: they leave the weights as they are.
        let finite = !digest.fork("finite", 0).0.is_multiple_of(9);
        let (updates, skipped) = if finite { (scenario.updates, 0) } else { (0, scenario.updates) };
        if finite {
            self.digest = digest.0;
        }
        self.finish_step(step, disk)?;
        let version = self.controller.view().version + updates;
        Ok(StepReport { step, version, skipped, updates, metrics: Metrics::default() })
    }

    fn finish_step(&mut self, step: u64, disk: &Disk) -> Result<(), String> {
        self.boundary.1 = true;
        disk.log(&format!("{{\"step\":{step},\"digest\":{},\"cursor\":{}}}\n", self.digest, self.cursor))
    }
}

fn prompt(index: u64) -> Arc<Prompt> {
    let task = Task { id: index.to_string(), text: None, messages: Vec::new(), truth: serde_json::Value::Null, reward: None };
    Arc::new(Prompt { task: Arc::new(task), text: String::new(), tokens: vec![1] })
}

fn judge(scenario: &Scenario, id: BatchId, index: u64, group: RolloutGroup) -> ScoredGroup {
    let place = Seed(scenario.seed).fork("judge", id.step).fork("refill", u64::from(id.refill)).fork("group", index);
    let verdict = |member: u64| match place.fork("member", member).0 {
        luck if scenario.unscored > 0 && luck.is_multiple_of(scenario.unscored) => Verdict::Unscorable { reason: "no answer".into() },
        luck => Verdict::score_of((luck >> 32 & 1) as f64),
    };
    let verdicts = (0..group.rollouts.len() as u64).map(verdict).collect();
    ScoredGroup { group, verdicts }
}
