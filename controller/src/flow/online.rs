//! Online reinforcement learning: the policy answers, the answers are judged, the policy learns.
//!
//! ```text
//! step s at version v:
//!     tasks        Draw      { s, r, count }   -> Drawn         r = 0, count = P
//!     generate     Generate  ( batch s.r )     -> Generated     groups older than max_staleness publications are refused
//!     score        Score     { s.r, groups }   -> Scored        groups that cannot be compared (or have no spread, if the plan says so)
//!                                                               are dropped
//!     again        r += 1: first the prompts of refused groups, back to generate, MAX_REQUEUES times; then, while groups miss, new
//!                  prompts, back to tasks, max_refills times. No group at all: the step is over, starved
//!     [reference   Reference { s, groups }     -> Referenced]   if the plan has that role
//!     credit       Credit    { s, groups }     -> Credited
//!     [check       Check     { s }]                             the first step, then every check_every
//!     update       Update    { s }             -> Updated       from here on a stop waits for the end of the step
//!     publish      Publish   { v' }            -> Published     without an update v stays, and the step is over
//!     adopt        Adopt     { v' }            -> Adopted       the step is over
//! ```
//!
//! One batch is under way at a time. Its id is the address of lease, redo and commit: any actor can redo it, and a second result for it is
//! thrown away.

use std::sync::Arc;

use collimate_types::{BatchId, Prompt, Role, RolloutBatch, RolloutGroup, RolloutRequest, ScoredGroup, StepReport, WeightsVersion};

use super::{Ending, Progress, Setting, version_fits};
use crate::counts::Counts;
use crate::{Command, ControllerError, ControllerState, Event, Phase};

/// How often a step asks again for a batch that came back older than the plan allows, before it goes on without those groups.
pub const MAX_REQUEUES: u32 = 3;

/// What a step waits for.
#[derive(Debug, Clone)]
enum Stage {
    Tasks { count: usize },
    Generate(RolloutBatch),
    Score { id: BatchId, tasks: Vec<String> },
    Reference { tasks: Vec<String> },
    Credit,
    Update,
    Publish(Learned),
    Adopt(Learned),
}

/// What the learner said.
#[derive(Debug, Clone, Copy)]
struct Learned {
    version: WeightsVersion,
    updates: u64,
    skipped: u64,
}

/// A step under way.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    number: u64,
    stage: Stage,
    /// Counts every batch of the step: the second half of its address.
    refill: u32,
    draws: u32,
    requeues: u32,
    kept: Vec<ScoredGroup>,
    /// Prompts to be generated again.
    stale: Vec<Arc<Prompt>>,
}

impl Step {
    /// Step `number` from its start.
    pub(crate) fn begin(setting: &Setting, number: u64) -> (Self, Vec<Command>) {
        let count = setting.plan.prompts_per_step;
        let step = Self { number, stage: Stage::Tasks { count }, refill: 0, draws: 0, requeues: 0, kept: Vec::new(), stale: Vec::new() };
        (step, vec![Command::Draw { step: number, refill: 0, count }])
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.stage {
            Stage::Tasks { .. } => Phase::Tasks,
            Stage::Generate(_) => Phase::Generate,
            Stage::Score { .. } => Phase::Score,
            Stage::Reference { .. } => Phase::Reference,
            Stage::Credit => Phase::Credit,
            Stage::Update => Phase::Update,
            Stage::Publish(_) => Phase::Publish,
            Stage::Adopt(_) => Phase::Adopt,
        }
    }

    /// Whether the step can still be abandoned: its update has not been commanded.
    pub(crate) fn before_update(&self) -> bool {
        !matches!(self.stage, Stage::Update | Stage::Publish(_) | Stage::Adopt(_))
    }

    pub(crate) fn refill(&self) -> u32 {
        self.refill
    }

    /// Takes an event. After an error the step is as it was before it.
    pub(crate) fn on(
        &mut self,
        event: Event,
        setting: &Setting,
        state: &ControllerState,
        counts: &mut Counts,
    ) -> Result<Progress, ControllerError> {
        if event.redone() && !self.awaits(&event) {
            counts.duplicates += 1;
            return Ok(Progress::On(Vec::new()));
        }
        match (&self.stage, event) {
            (Stage::Tasks { count }, Event::Drawn { step, refill, prompts }) if (step, refill) == (self.number, self.refill) => {
                let count = *count;
                self.drawn(setting, count, prompts, counts)
            }
            (Stage::Generate(batch), Event::Generated { id, groups }) => {
                let batch = batch.clone();
                self.generated(setting, state, &batch, id, groups, counts)
            }
            (Stage::Score { tasks, .. }, Event::Scored { id, groups }) => {
                let tasks = tasks.clone();
                self.scored(setting, &tasks, id, groups, counts)
            }
            (Stage::Reference { tasks }, Event::Referenced { step, groups }) => {
                self.ordered(&format!("referenced, step {step}"), tasks, groups.iter().map(|g| g.group.prompt.task.id.as_str()))?;
                self.stage = Stage::Credit;
                Ok(Progress::On(vec![Command::Credit { step: self.number, groups }]))
            }
            (Stage::Credit, Event::Credited { step }) if step == self.number => Ok(Progress::On(self.update(setting))),
            (Stage::Update, Event::Updated(report)) if report.step == self.number => self.updated(&report, state.version),
            (Stage::Publish(learned), Event::Published { version: v }) if v == learned.version => {
                self.stage = Stage::Adopt(*learned);
                Ok(Progress::On(vec![Command::Adopt { version: v }]))
            }
            (Stage::Adopt(learned), Event::Adopted { .. }) => {
                let Learned { version, updates, skipped } = *learned;
                Ok(Progress::Over(Ending::Learned { version, updates, skipped }))
            }
            (_, event) => Err(self.misfit(&event)),
        }
    }

    /// Whether an event that may come twice is the one that is waited for.
    fn awaits(&self, event: &Event) -> bool {
        match (&self.stage, event) {
            (Stage::Generate(batch), Event::Generated { id, .. }) => batch.id == *id,
            (Stage::Score { id: wanted, .. }, Event::Scored { id, .. }) => wanted == id,
            (Stage::Reference { .. }, Event::Referenced { step, .. }) => *step == self.number,
            (Stage::Adopt(learned), Event::Adopted { version }) => learned.version == *version,
            _ => false,
        }
    }

    fn drawn(
        &mut self,
        setting: &Setting,
        count: usize,
        prompts: Vec<Arc<Prompt>>,
        counts: &mut Counts,
    ) -> Result<Progress, ControllerError> {
        if prompts.len() > count {
            let event = format!("drawn, step {} refill {}", self.number, self.refill);
            return Err(ControllerError::Count {
                event,
                state: self.phase().to_string(),
                what: "prompts",
                got: prompts.len(),
                wanted: count,
            });
        }
        if prompts.is_empty() {
            return Ok(self.go_on(setting, counts));
        }
        let id = BatchId { step: self.number, refill: self.refill };
        let batch = batch(setting, id, prompts);
        self.stage = Stage::Generate(batch.clone());
        Ok(Progress::On(vec![Command::Generate(batch)]))
    }

    fn generated(
        &mut self,
        setting: &Setting,
        state: &ControllerState,
        batch: &RolloutBatch,
        id: BatchId,
        mut groups: Vec<RolloutGroup>,
        counts: &mut Counts,
    ) -> Result<Progress, ControllerError> {
        let event = format!("generated, {id}");
        let asked = batch.requests.iter().map(|r| r.prompt.task.id.clone()).collect::<Vec<_>>();
        self.ordered(&event, &asked, groups.iter().map(|g| g.prompt.task.id.as_str()))?;
        for (group, request) in groups.iter().zip(&batch.requests) {
            self.count(&event, "completions in a group", group.rollouts.len(), request.group)?;
        }
        let newest = groups.iter().flat_map(|g| &g.rollouts).map(|r| r.versions.0.max(r.versions.1)).max();
        if let Some(got) = newest.filter(|v| *v > state.version) {
            return Err(ControllerError::Version { event, got, rule: "the newest that an actor can run is", version: state.version });
        }
        let oldest = state.oldest(setting.plan.max_staleness);
        let stale = |g: &RolloutGroup| g.rollouts.iter().any(|r| r.versions.0 < oldest);
        let refused: Vec<Arc<Prompt>> = groups.iter().filter(|g| stale(g)).map(|g| g.prompt.clone()).collect();
        counts.stale += refused.len() as u64;
        groups.retain(|g| !stale(g));
        if !refused.is_empty() && self.requeues < MAX_REQUEUES {
            self.requeues += 1;
            self.stale = refused;
        }
        if groups.is_empty() {
            return Ok(self.next_batch(setting, counts));
        }
        self.stage = Stage::Score { id, tasks: groups.iter().map(|g| g.prompt.task.id.clone()).collect() };
        Ok(Progress::On(vec![Command::Score { id, groups }]))
    }

    /// Prompts whose groups were too old are generated again under a new address, so that a late result of the old one cannot be mistaken
    /// for it; then what is missing is drawn anew; then the step goes on.
    fn next_batch(&mut self, setting: &Setting, counts: &mut Counts) -> Progress {
        if !self.stale.is_empty() {
            self.refill += 1;
            let id = BatchId { step: self.number, refill: self.refill };
            let again = batch(setting, id, std::mem::take(&mut self.stale));
            self.stage = Stage::Generate(again.clone());
            return Progress::On(vec![Command::Generate(again)]);
        }
        let missing = setting.plan.prompts_per_step.saturating_sub(self.kept.len());
        if missing > 0 && self.draws < setting.plan.max_refills {
            self.draws += 1;
            self.refill += 1;
            counts.refills += 1;
            self.stage = Stage::Tasks { count: missing };
            return Progress::On(vec![Command::Draw { step: self.number, refill: self.refill, count: missing }]);
        }
        self.go_on(setting, counts)
    }

    fn scored(
        &mut self,
        setting: &Setting,
        tasks: &[String],
        id: BatchId,
        groups: Vec<ScoredGroup>,
        counts: &mut Counts,
    ) -> Result<Progress, ControllerError> {
        self.ordered(&format!("scored, {id}"), tasks, groups.iter().map(|g| g.group.prompt.task.id.as_str()))?;
        for group in &groups {
            self.count(&format!("scored, {id}"), "verdicts in a group", group.verdicts.len(), group.group.rollouts.len())?;
        }
        let before = groups.len() + self.kept.len();
        // A group that was asked to be of one is whole with one score: its baseline is not its siblings'.
        let enough = setting.plan.group_size.clamp(1, 2);
        let usable =
            |g: &ScoredGroup| g.scores().take(enough).count() == enough && (!setting.plan.drop_groups_without_spread || g.has_spread());
        self.kept.extend(groups.into_iter().filter(usable));
        counts.dropped_groups += (before - self.kept.len()) as u64;
        Ok(self.next_batch(setting, counts))
    }

    /// With the groups there are.
    fn go_on(&mut self, setting: &Setting, counts: &mut Counts) -> Progress {
        let groups = std::mem::take(&mut self.kept);
        if groups.is_empty() {
            counts.skipped_steps += 1;
            return Progress::Over(Ending::Starved);
        }
        let step = self.number;
        if setting.plan.roles.contains(&Role::Reference) {
            self.stage = Stage::Reference { tasks: groups.iter().map(|g| g.group.prompt.task.id.clone()).collect() };
            return Progress::On(vec![Command::Reference { step, groups }]);
        }
        self.stage = Stage::Credit;
        Progress::On(vec![Command::Credit { step, groups }])
    }

    fn update(&mut self, setting: &Setting) -> Vec<Command> {
        self.stage = Stage::Update;
        let every = setting.plan.check_every;
        // The first step is checked, then every so many.
        let check = (every > 0 && (self.number - 1).is_multiple_of(every)).then_some(Command::Check { step: self.number });
        check.into_iter().chain([Command::Update { step: self.number }]).collect()
    }

    fn updated(&mut self, report: &StepReport, version: WeightsVersion) -> Result<Progress, ControllerError> {
        // Without an update nothing new is published.
        version_fits(report, version)?;
        if report.updates == 0 {
            return Ok(Progress::Over(Ending::Learned { version, updates: 0, skipped: report.skipped }));
        }
        let learned = Learned { version: report.version, updates: report.updates, skipped: report.skipped };
        self.stage = Stage::Publish(learned);
        Ok(Progress::On(vec![Command::Publish { version: learned.version }]))
    }

    /// One group a task, in the order that was asked.
    fn ordered<'g>(&self, event: &str, asked: &[String], got: impl ExactSizeIterator<Item = &'g str>) -> Result<(), ControllerError> {
        self.count(event, "groups", got.len(), asked.len())?;
        for (index, (got, wanted)) in got.zip(asked).enumerate() {
            if got != wanted {
                return Err(ControllerError::Order { event: event.to_owned(), index, got: got.to_owned(), wanted: wanted.clone() });
            }
        }
        Ok(())
    }

    fn count(&self, event: &str, what: &'static str, got: usize, wanted: usize) -> Result<(), ControllerError> {
        let state = || self.phase().to_string();
        if got == wanted { Ok(()) } else { Err(ControllerError::Count { event: event.to_owned(), state: state(), what, got, wanted }) }
    }

    fn misfit(&self, event: &Event) -> ControllerError {
        ControllerError::Misfit { event: event.to_string(), state: format!("{}, step {}", self.phase(), self.number) }
    }
}

/// The requests of a batch: seeds are addresses, so any actor can redo any of them.
fn batch(setting: &Setting, id: BatchId, prompts: Vec<Arc<Prompt>>) -> RolloutBatch {
    let place = setting.seed.fork("rollout", id.step).fork("refill", u64::from(id.refill));
    let request = |(i, prompt): (usize, Arc<Prompt>)| RolloutRequest {
        prompt,
        group: setting.plan.group_size,
        sampling: setting.sampling.clone(),
        seed: place.fork("prompt", i as u64),
    };
    RolloutBatch { id, requests: prompts.into_iter().enumerate().map(request).collect(), slots: setting.plan.slots }
}
