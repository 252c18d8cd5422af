//! The actors of a spread run as a pure state machine: who lives, who works on what, who runs which weights, who is started again.
//!
//! The [`Controller`](crate::Controller) commands a batch; the pool cuts it into parts, leases each part to an actor and hands the whole
//! batch back once. Like the controller it does no I/O and reads no clock: whoever drives it passes the time in, in milliseconds of a
//! monotonic clock, and calls again with [`PoolEvent::Tick`] when [`Pool::deadline`] is past.
//!
//! ```text
//! Controller                 Pool                                        processes
//! Generate(batch)   -> generate(batch)   -> Send { lease, part }      -> an actor
//!                                        <- Generated { lease, part } <-
//! on(Generated)     <- Commit { id, groups }      every part is there, each once
//! Publish, Adopt(v) -> publish(v)        -> Offer { version }         -> every actor
//!                                        <- Adopted { version }       <-
//! on(Adopted)       <- AllAdopted { version }
//! ```
//!
//! What holds, whatever dies, hangs, repeats itself or comes late (`tests/it/pool.rs`, and the simulator of the whole run):
//!
//! - A part has one lease at a time. A result counts only under the lease that its part has now, so it is committed once.
//! - An actor works only with weights that the staleness bound allows, in published versions: one a flow step.
//! - An actor that ends, falls silent, stands still or is late is killed, and its part is leased again.
//! - It is started again after a back-off with jitter. One that fails again and again without having finished any part, and a part that
//!   ends every actor it is given to, stop the run with a reason.
//! - At every moment the pool waits for something with a deadline, and [`Pool::deadline`] says what.

mod cut;
mod ledger;
mod member;
mod plan;

use std::collections::BTreeMap;

use collimate_types::{BatchId, Metrics, RolloutBatch, RolloutGroup, WeightsVersion};

pub use cut::cut;
use ledger::{Finished, Ledger};
use member::{Member, Place};
pub use plan::PoolPlan;

/// Milliseconds on the driver's monotonic clock.
pub type Millis = u64;

/// One start of one actor: what an earlier start still has to say is told apart by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId {
    /// Which actor, counted from 0.
    pub actor: u32,
    /// Which start of it, counted from 1.
    pub incarnation: u64,
}

impl std::fmt::Display for ActorId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "actor {} (start {})", self.actor, self.incarnation)
    }
}

/// What the driver tells the pool.
#[derive(Debug, Clone, PartialEq)]
pub enum PoolEvent {
    /// A process that was started has connected.
    Joined(ActorId),
    /// A process ended, or its connection did, or it fell silent.
    Left {
        /// Which.
        who: ActorId,
        /// What is known of why.
        why: String,
    },
    /// An actor's engine has done more than when this was last told.
    Progress(ActorId),
    /// A part is generated.
    Generated {
        /// By whom.
        who: ActorId,
        /// Under which lease.
        lease: u64,
        /// The batch.
        id: BatchId,
        /// The part.
        part: u32,
        /// One group a request.
        groups: Vec<RolloutGroup>,
    },
    /// An actor could not do what it was told. It is started anew: what it holds is not to be trusted.
    Failed {
        /// Which.
        who: ActorId,
        /// Why.
        why: String,
    },
    /// An actor runs new weights.
    Adopted {
        /// Which.
        who: ActorId,
        /// Their version.
        version: WeightsVersion,
    },
    /// Time has passed.
    Tick,
}

/// What the pool tells the driver.
#[derive(Debug, Clone, PartialEq)]
pub enum PoolCommand {
    /// Start a process. Answer: `Joined` or `Left`.
    Start(ActorId),
    /// End a process for certain, with its whole group. No answer is waited for; one that is dead already stays so.
    Kill {
        /// Which.
        who: ActorId,
        /// Why, for the log.
        why: String,
    },
    /// Let an actor generate a part. Answer: `Generated`.
    Send {
        /// Which actor.
        who: ActorId,
        /// The lease that the result must name.
        lease: u64,
        /// Which part of the batch.
        part: u32,
        /// The part, with the batch's address.
        batch: RolloutBatch,
    },
    /// Let an actor take weights. Answer: `Adopted`.
    Offer {
        /// Which actor.
        who: ActorId,
        /// Their version.
        version: WeightsVersion,
    },
    /// A batch is whole: the controller's [`Event::Generated`](crate::Event::Generated).
    Commit {
        /// Its address.
        id: BatchId,
        /// One group a request, in their order.
        groups: Vec<RolloutGroup>,
    },
    /// Every actor that lives runs the newest weights: the controller's [`Event::Adopted`](crate::Event::Adopted).
    AllAdopted {
        /// Their version.
        version: WeightsVersion,
    },
    /// The run cannot go on; the driver stops it with code 1 and shows the last lines of the log of whoever is named.
    GiveUp(GiveUp),
}

/// Why a pool gives up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GiveUp {
    /// An actor fails again and again without doing any work.
    #[error("actor {actor} failed {failures} times in a row without finishing any work; the last time it {why}")]
    CrashLoop {
        /// Which.
        actor: u32,
        /// How often.
        failures: u32,
        /// What ended it last.
        why: String,
    },
    /// A part ends every actor that it is given to.
    #[error("part {part} of {id} ended {deaths} actors in a row; the last one {why}")]
    Poison {
        /// The batch.
        id: BatchId,
        /// The part.
        part: u32,
        /// How many actors.
        deaths: u32,
        /// What ended the last one.
        why: String,
    },
}

/// What the pool refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// More batches at once than the plan allows.
    #[error("batch {id} is one too many: {limit} are under way")]
    Full {
        /// The batch that was refused.
        id: BatchId,
        /// How many the plan allows.
        limit: usize,
    },
    /// A batch that is under way already.
    #[error("batch {id} is under way already")]
    Twice {
        /// Its address.
        id: BatchId,
    },
    /// A version that is not newer.
    #[error("version {got} cannot be published after version {newest}: versions only grow")]
    Version {
        /// The version that was refused.
        got: WeightsVersion,
        /// The newest.
        newest: WeightsVersion,
    },
}

/// A line of `collimate ps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// The start that is under way or was the last.
    pub who: ActorId,
    /// One word.
    pub place: &'static str,
    /// The version it runs.
    pub version: Option<WeightsVersion>,
    /// How often it was started again.
    pub restarts: u64,
    /// What it works on.
    pub work: Option<(BatchId, u32)>,
}

/// The actors of a run.
#[derive(Debug, Clone)]
pub struct Pool {
    plan: PoolPlan,
    members: BTreeMap<u32, Member>,
    ledger: Ledger,
    /// Published versions, oldest first, as many as the staleness bound reaches back; the last one is the newest.
    published: Vec<WeightsVersion>,
    /// Whether the newest version has been told to be everywhere.
    settled: bool,
    counts: Counts,
    over: bool,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    restarts: u64,
    redone: u64,
    late: u64,
}

impl Pool {
    /// A pool of actors of which none is started yet: the first [`PoolEvent::Tick`] starts them. `version` is what the learner has.
    #[must_use]
    pub fn new(plan: PoolPlan, version: WeightsVersion) -> Self {
        let members = (0..plan.actors).map(|actor| (actor, Member::new(actor))).collect();
        Self { ledger: Ledger::default(), members, plan, published: vec![version], settled: true, counts: Counts::default(), over: false }
    }

    /// Takes a batch of the controller.
    ///
    /// # Errors
    /// [`PoolError::Full`], [`PoolError::Twice`].
    pub fn generate(&mut self, batch: &RolloutBatch, now: Millis) -> Result<Vec<PoolCommand>, PoolError> {
        if self.ledger.batches() >= self.plan.batches {
            return Err(PoolError::Full { id: batch.id, limit: self.plan.batches });
        }
        if !self.ledger.add(batch, self.plan.prompts_per_part) {
            return Err(PoolError::Twice { id: batch.id });
        }
        Ok(self.work(now))
    }

    /// Takes a batch back that a stop abandoned: what comes for it is late.
    pub fn abandon(&mut self, id: BatchId) {
        self.ledger.remove(id);
    }

    /// New weights are there for everyone.
    ///
    /// # Errors
    /// [`PoolError::Version`].
    pub fn publish(&mut self, version: WeightsVersion, now: Millis) -> Result<Vec<PoolCommand>, PoolError> {
        let newest = self.newest();
        if version <= newest {
            return Err(PoolError::Version { got: version, newest });
        }
        self.published.push(version);
        let reach = usize::try_from(self.plan.max_staleness).unwrap_or(usize::MAX).saturating_add(1);
        let old = self.published.len().saturating_sub(reach);
        self.published.drain(..old);
        self.settled = false;
        let mut commands = Vec::new();
        for member in self.members.values_mut() {
            let after = self.ledger.lease_end(member.who()).unwrap_or(now);
            commands.extend(member.offer(version, after + self.plan.adopt_ms));
        }
        commands.extend(self.work(now));
        Ok(commands)
    }

    /// Takes an event and gives the commands that follow from it. What an earlier start of an actor says is thrown away and counted.
    pub fn on(&mut self, event: PoolEvent, now: Millis) -> Vec<PoolCommand> {
        if self.over {
            return Vec::new();
        }
        let mut commands = match event {
            PoolEvent::Joined(who) => {
                let (newest, until) = (self.newest(), now + self.plan.adopt_ms);
                self.current(who).map_or_else(Vec::new, |member| member.joined(newest, until).into_iter().collect())
            }
            PoolEvent::Left { who, why } => self.lost(who, &why, now),
            PoolEvent::Failed { who, why } => self.lost(who, &format!("could not go on: {why}"), now),
            PoolEvent::Progress(who) => {
                self.ledger.progress(who, now + self.plan.stall_ms);
                Vec::new()
            }
            PoolEvent::Generated { who, lease, id, part, groups } => self.generated(who, lease, (id, part), groups, now),
            PoolEvent::Adopted { who, version } => {
                if let Some(member) = self.current(who) {
                    member.adopted(version);
                }
                Vec::new()
            }
            PoolEvent::Tick => self.tick(now),
        };
        commands.extend(self.work(now));
        commands
    }

    /// When the pool must be told of the time again, and what it waits for until then.
    #[must_use]
    pub fn deadline(&self) -> Option<(Millis, String)> {
        let members = self.members.values().filter_map(Member::deadline);
        members.chain(self.ledger.deadline()).min_by_key(|(at, _)| *at)
    }

    /// The oldest version that an actor may work with.
    #[must_use]
    pub fn oldest(&self) -> WeightsVersion {
        self.published.first().copied().unwrap_or_default()
    }

    /// How many batches are under way.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.ledger.batches()
    }

    /// Every actor as it is now.
    #[must_use]
    pub fn view(&self) -> Vec<MemberView> {
        self.members.values().map(|member| member.view(self.ledger.held_by(member.who()))).collect()
    }

    /// What was counted since this was last asked.
    pub fn take_metrics(&mut self) -> Metrics {
        let counts = std::mem::take(&mut self.counts);
        let mut metrics = Metrics::default();
        for (name, count) in [("spread/restarts", counts.restarts), ("spread/redone", counts.redone), ("spread/late", counts.late)] {
            metrics.set(name, count as f64);
        }
        metrics
    }

    fn newest(&self) -> WeightsVersion {
        self.published.last().copied().unwrap_or_default()
    }

    /// The member, if this is the start of it that is under way.
    fn current(&mut self, who: ActorId) -> Option<&mut Member> {
        let found = self.members.get_mut(&who.actor).filter(|member| member.who() == who && member.runs());
        if found.is_none() {
            self.counts.late += 1;
        }
        found
    }

    fn generated(&mut self, who: ActorId, lease: u64, at: (BatchId, u32), groups: Vec<RolloutGroup>, now: Millis) -> Vec<PoolCommand> {
        if self.current(who).is_none() {
            return Vec::new();
        }
        match self.ledger.finish(who, lease, at, groups) {
            Finished::Late => {
                self.counts.late += 1;
                Vec::new()
            }
            Finished::Wrong(why) => self.lost(who, &why, now),
            Finished::Part => self.proved(who, None),
            Finished::Whole(groups) => self.proved(who, Some(PoolCommand::Commit { id: at.0, groups })),
        }
    }

    /// An actor has finished a part: whatever went wrong before, it works.
    fn proved(&mut self, who: ActorId, commit: Option<PoolCommand>) -> Vec<PoolCommand> {
        if let Some(member) = self.members.get_mut(&who.actor) {
            member.works();
        }
        commit.into_iter().collect()
    }

    /// An actor is no use any more: its part is free again and it is started anew.
    fn lost(&mut self, who: ActorId, why: &str, now: Millis) -> Vec<PoolCommand> {
        let Some(member) = self.current(who) else { return Vec::new() };
        let failures = member.failures() + 1;
        let wait = self.plan.back_off(who, failures);
        let Some(member) = self.members.get_mut(&who.actor) else { return Vec::new() };
        member.lost(now + wait);
        let mut commands = vec![PoolCommand::Kill { who, why: why.to_owned() }];
        if let Some((id, part, deaths)) = self.ledger.release(who) {
            self.counts.redone += 1;
            if deaths >= self.plan.max_deaths {
                commands.push(self.give_up(GiveUp::Poison { id, part, deaths, why: why.to_owned() }));
                return commands;
            }
        }
        if failures >= self.plan.max_failures {
            commands.push(self.give_up(GiveUp::CrashLoop { actor: who.actor, failures, why: why.to_owned() }));
        }
        commands
    }

    fn give_up(&mut self, why: GiveUp) -> PoolCommand {
        self.over = true;
        PoolCommand::GiveUp(why)
    }

    /// Whoever is late is lost; whoever has waited long enough is started.
    fn tick(&mut self, now: Millis) -> Vec<PoolCommand> {
        let mut commands = Vec::new();
        let mut late: Vec<(ActorId, String)> = self.ledger.late(now);
        late.extend(self.members.values().filter_map(|member| member.late(now)));
        for (who, why) in late {
            // It may be late in two ways at once.
            if self.members.get(&who.actor).is_some_and(|member| member.who() == who && member.runs()) {
                commands.extend(self.lost(who, &why, now));
            }
        }
        for member in self.members.values_mut().filter(|_| !self.over) {
            if let Some(who) = member.start(now, now + self.plan.join_ms) {
                self.counts.restarts += u64::from(who.incarnation > 1);
                commands.push(PoolCommand::Start(who));
            }
        }
        commands
    }

    /// Gives every part that waits to an actor that is free and whose weights are new enough; tells when all have the newest.
    fn work(&mut self, now: Millis) -> Vec<PoolCommand> {
        let mut commands = Vec::new();
        if self.over {
            return commands;
        }
        let (newest, oldest) = (self.newest(), self.oldest());
        if !self.settled && self.members.values().all(|member| !matches!(member.place(), Place::Up) || member.version() == Some(newest)) {
            self.settled = true;
            commands.push(PoolCommand::AllAdopted { version: newest });
        }
        for member in self.members.values().filter(|member| member.version().is_some_and(|v| v >= oldest)) {
            let who = member.who();
            // Whoever has been offered newer weights takes them first.
            if !member.is_free() || self.ledger.held_by(who).is_some() {
                continue;
            }
            let Some((lease, part, batch)) = self.ledger.lease(who, now + self.plan.lease_ms, now + self.plan.stall_ms) else { break };
            commands.push(PoolCommand::Send { who, lease, part, batch });
        }
        commands
    }
}
