//! Time, messages and faults.

use std::collections::BTreeMap;

use collimate_controller::pool::{ActorId, GiveUp, PoolCommand, PoolEvent};
use collimate_controller::{Event, Outcome};
use collimate_store::model::Trouble;
use collimate_types::{Seed, WeightsVersion};

use crate::actor::{Order, Process, Processes, generate, generated};
use crate::dice::Dice;
use crate::disk::{Disk, Saved};
use crate::life::{Life, Next};
use crate::{Broken, Fault, Scenario, Tally};

/// After the last fault a run ends within this, in milliseconds: the longest waits of every step, one after another, and room.
const PROGRESS_MS: u64 = 180_000;
/// No run has as many events as this.
const MOST_EVENTS: u64 = 200_000;
/// A process that says nothing for this long counts as hung.
const SILENCE_MS: u64 = 1_500;
/// How long it takes to see that a process is dead.
const DETECT_MS: u64 = 200;

/// What is due at a moment.
#[derive(Debug)]
enum Due {
    /// The controller hears something.
    Controller(Event),
    /// The pool hears something.
    Pool(PoolEvent),
    /// An actor is told something.
    Actor(ActorId, Order),
    /// An actor is done.
    Done(ActorId, PoolEvent),
    /// An actor connects.
    Connect(ActorId),
    /// Somebody looks whether an actor still stands still.
    Silent(ActorId, u64),
    /// Something goes wrong.
    Fault(Fault),
    /// The disk is well again.
    DiskWell,
}

/// A simulated world.
pub(crate) struct World<'a> {
    scenario: &'a Scenario,
    now: u64,
    due: BTreeMap<(u64, u64), (u64, Due)>,
    number: u64,
    dice: Dice,
    disk: Disk,
    life: Life,
    processes: Processes,
    /// Actors whose next start fails.
    bad_starts: BTreeMap<u32, u64>,
    /// Where the launcher dies in its next save, and whether the power goes.
    death: Option<(u64, bool)>,
    /// Calls of the last whole save: where a death in a save can be.
    save_calls: usize,
    last_fault: u64,
    tally: Tally,
}

impl<'a> World<'a> {
    /// A world before anything happened.
    pub(crate) fn new(scenario: &'a Scenario) -> Result<Self, Broken> {
        let broken = |what| Broken { seed: scenario.seed, at_ms: 0, what };
        let mut world = Self {
            now: 0,
            due: BTreeMap::new(),
            number: 0,
            dice: Dice::new(Seed(scenario.seed).fork("world", 0)),
            disk: Disk::new(scenario.keep).map_err(broken)?,
            life: Life::new(scenario, None).map_err(broken)?,
            processes: BTreeMap::new(),
            bad_starts: BTreeMap::new(),
            death: None,
            save_calls: 60,
            last_fault: 0,
            tally: Tally::default(),
            scenario,
        };
        for (at, fault) in &scenario.faults {
            world.number += 1;
            world.due.insert((*at, world.number), (0, Due::Fault(*fault)));
        }
        Ok(world)
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> Result<Tally, Broken> {
        let done = self.go();
        self.tally.ms = self.now;
        match done {
            Ok(()) => Ok(self.tally),
            Err(what) => Err(Broken { seed: self.scenario.seed, at_ms: self.now, what }),
        }
    }

    fn go(&mut self) -> Result<(), String> {
        self.begin()?;
        while !self.tally.done {
            self.tally.events += 1;
            if self.tally.events > MOST_EVENTS {
                return Err(format!("{MOST_EVENTS} events and no end: something goes round in circles"));
            }
            let tick = self.life.pool.deadline().map(|(at, _)| at.max(self.now));
            let next = self.due.first_key_value().map(|(key, _)| *key);
            let at = match (tick, next) {
                (None, None) => {
                    return Err(format!("nothing is due in phase `{}`: the run stands still", self.life.controller.view().phase));
                }
                (Some(tick), next) if next.is_none_or(|(at, _)| tick < at) => {
                    self.now = tick;
                    let commands = self.life.pool.on(PoolEvent::Tick, self.now);
                    self.pool(commands)?;
                    tick
                }
                (_, Some(key)) => {
                    self.now = key.0;
                    let (life, due) = self.due.remove(&key).ok_or("it was there")?;
                    // What belongs to an earlier life died with it.
                    if life == 0 || life == self.tally.lives {
                        self.happen(due)?;
                    }
                    key.0
                }
                (Some(_), None) => return Err("a deadline was passed over".to_owned()),
            };
            if at > self.last_fault.max(self.scenario.faults.last().map_or(0, |(at, _)| *at)) + PROGRESS_MS {
                let waits = self.life.pool.deadline().map(|(_, what)| what);
                return Err(format!(
                    "no end {PROGRESS_MS} ms after the last fault; phase {}, {waits:?}",
                    self.life.controller.view().phase
                ));
            }
            self.bounds()?;
        }
        Ok(())
    }

    /// What may never be exceeded.
    fn bounds(&self) -> Result<(), String> {
        if self.life.pool.batches() > self.scenario.pool.batches {
            return Err(format!("{} batches are under way", self.life.pool.batches()));
        }
        match self.processes.iter().find(|(_, process)| process.queued > 2) {
            Some((who, process)) => Err(format!("{who} has {} orders before it, more than a part and weights", process.queued)),
            None => Ok(()),
        }
    }

    /// A launcher is started.
    fn begin(&mut self) -> Result<(), String> {
        self.tally.lives += 1;
        self.processes.clear();
        self.disk.fs.set_trouble(None);
        let saved = self.disk.resume()?;
        self.life = Life::new(self.scenario, saved)?;
        let commands = self.life.pool.on(PoolEvent::Tick, self.now);
        self.pool(commands)?;
        let commands = self.life.controller.start();
        self.controller(commands)
    }

    /// The launcher is gone, and somebody starts it again.
    fn end_life(&mut self, power: bool) -> Result<(), String> {
        self.disk.fs.set_trouble(None);
        if power {
            self.disk.lose_power(&mut self.dice);
        }
        self.last_fault = self.now;
        self.begin()
    }

    fn later(&mut self, after: u64, due: Due) {
        self.number += 1;
        self.due.insert((self.now + after, self.number), (self.tally.lives, due));
    }

    fn happen(&mut self, due: Due) -> Result<(), String> {
        match due {
            Due::Controller(event) => {
                let commands = self.life.controller.on(event).map_err(|e| e.to_string())?;
                self.controller(commands)
            }
            Due::Pool(event) => {
                let commands = self.life.pool.on(event, self.now);
                self.pool(commands)
            }
            Due::Actor(who, order) => self.told(who, order),
            Due::Done(who, event) => {
                if let Some(until) = self.frozen(who) {
                    self.later(until - self.now, Due::Done(who, event));
                } else {
                    self.say(who, event);
                }
                Ok(())
            }
            Due::Connect(who) => {
                if let Some(until) = self.frozen(who) {
                    self.later(until - self.now, Due::Connect(who));
                } else {
                    self.say(who, PoolEvent::Joined(who));
                }
                Ok(())
            }
            Due::Silent(who, since) => {
                if self.frozen(who).is_some() {
                    let why = format!("said nothing for {} ms", self.now - since);
                    let commands = self.life.pool.on(PoolEvent::Left { who, why }, self.now);
                    self.pool(commands)?;
                }
                Ok(())
            }
            Due::DiskWell => {
                self.disk.fs.set_trouble(None);
                Ok(())
            }
            Due::Fault(fault) => self.fault(fault),
        }
    }

    /// Until when a process stands still; what is due for it comes then.
    fn frozen(&self, who: ActorId) -> Option<u64> {
        self.processes.get(&who).map(|p| p.frozen_until).filter(|until| *until > self.now)
    }

    fn controller(&mut self, commands: Vec<collimate_controller::Command>) -> Result<(), String> {
        for command in commands {
            match self.life.carry_out(command, self.scenario, &self.disk, self.now)? {
                Next::After(ms, event) => self.later(ms, Due::Controller(event)),
                Next::Pool(commands) => self.pool(commands)?,
                Next::Save(saved) => {
                    if self.save(&saved)? {
                        return Ok(()); // The launcher is gone, with all other commands.
                    }
                }
                Next::Over(outcome) => return self.over(&outcome),
                Next::Nothing => {}
            }
        }
        Ok(())
    }

    /// Saves a boundary; `true` if the launcher died of it.
    fn save(&mut self, saved: &Saved) -> Result<bool, String> {
        let step = saved.controller.step;
        self.disk.fs.take_calls();
        if let Some((share, power)) = self.death.take() {
            self.tally.faults += 1;
            let at = (self.save_calls as u64 * share / 1000) as usize;
            self.disk.fs.set_trouble(Some(Trouble { at, errno: 5, lasting: true }));
            let _ = self.disk.save(saved);
            self.end_life(power)?;
            return Ok(true);
        }
        let event = match self.disk.save(saved) {
            Ok(()) => Event::Saved { step },
            Err(_) => Event::NotSaved { step },
        };
        self.save_calls = self.disk.fs.take_calls().len().max(1);
        self.later(5, Due::Controller(event));
        Ok(false)
    }

    fn over(&mut self, outcome: &Outcome) -> Result<(), String> {
        match outcome {
            // A run that starved or was not finite is mended and resumed, as one that was stopped; so every run comes to its end.
            Outcome::Stopped { .. } | Outcome::NotSaved { .. } | Outcome::Starved { .. } | Outcome::NotFinite { .. } => {
                self.end_life(false)
            }
            Outcome::Done => {
                self.disk.fs.set_trouble(None);
                self.tally.metrics = self.disk.metrics();
                self.tally.saved = self.disk.resume()?;
                self.tally.done = true;
                Ok(())
            }
        }
    }

    fn pool(&mut self, commands: Vec<PoolCommand>) -> Result<(), String> {
        for command in commands {
            match command {
                PoolCommand::Start(who) => self.start(who),
                PoolCommand::Kill { who, .. } => drop(self.processes.remove(&who)),
                PoolCommand::Send { who, lease, part, batch } => self.tell(who, Order::Generate { lease, part, batch }),
                PoolCommand::Offer { who, version } => {
                    let digest = *self.life.published.get(&version).ok_or("weights that were never published are offered")?;
                    self.tell(who, Order::Adopt { version, digest });
                }
                PoolCommand::Commit { id, groups } => {
                    let event = self.life.commit(id, groups, self.scenario)?;
                    self.later(0, Due::Controller(event));
                }
                PoolCommand::AllAdopted { version } => self.all_adopted(version)?,
                PoolCommand::GiveUp(why) => return self.gave_up(&why),
            }
        }
        Ok(())
    }

    fn all_adopted(&mut self, version: WeightsVersion) -> Result<(), String> {
        let old = self.processes.iter().find(|(_, p)| p.weights.is_some_and(|(v, _)| v > version));
        if let Some((who, process)) = old {
            return Err(format!("{who} runs {:?}, newer than what is published", process.weights));
        }
        self.later(0, Due::Controller(Event::Adopted { version }));
        Ok(())
    }

    /// Too many failures: somebody reads why and starts the run again. Without faults there is no reason to give up.
    fn gave_up(&mut self, why: &GiveUp) -> Result<(), String> {
        if self.scenario.faults.is_empty() {
            return Err(format!("the pool gave up in a calm world: {why}"));
        }
        self.end_life(false)
    }

    fn start(&mut self, who: ActorId) {
        self.tally.starts += 1;
        let bad = self.bad_starts.get_mut(&who.actor).filter(|left| **left > 0);
        if let Some(left) = bad {
            *left -= 1;
            let why = "ended with code 3".to_owned();
            let after = self.dice.between(1, DETECT_MS);
            self.later(after, Due::Pool(PoolEvent::Left { who, why }));
            return;
        }
        self.processes.insert(who, Process::default());
        let after = self.dice.between(1, 100);
        self.later(after, Due::Connect(who));
    }

    /// A message to an actor is under way.
    fn tell(&mut self, who: ActorId, order: Order) {
        let latency = self.dice.between(0, self.scenario.latency_ms);
        let now = self.now;
        let Some(process) = self.processes.get_mut(&who) else { return };
        process.queued += 1;
        let delay = if now < process.delay.1 { process.delay.0 } else { 0 };
        process.last.0 = process.last.0.max(now + latency + delay);
        let after = process.last.0 - now;
        self.later(after, Due::Actor(who, order));
    }

    /// A message of an actor is under way; it arrives even if the actor dies.
    fn say(&mut self, who: ActorId, event: PoolEvent) {
        let latency = self.dice.between(0, self.scenario.latency_ms);
        let now = self.now;
        let Some(process) = self.processes.get_mut(&who) else { return };
        process.said.push(event.clone());
        let delay = if now < process.delay.1 { process.delay.0 } else { 0 };
        process.last.1 = process.last.1.max(now + latency + delay);
        let after = process.last.1 - now;
        self.later(after, Due::Pool(event));
    }

    /// An actor takes an order.
    fn told(&mut self, who: ActorId, order: Order) -> Result<(), String> {
        if let Some(until) = self.frozen(who) {
            self.later(until - self.now, Due::Actor(who, order));
            return Ok(());
        }
        let takes = self.dice.between(1, self.scenario.part_ms.max(1));
        let now = self.now;
        let Some(process) = self.processes.get_mut(&who) else { return Ok(()) };
        process.queued -= 1;
        process.busy_until = process.busy_until.max(now) + takes;
        let event = match order {
            Order::Adopt { version, digest } => {
                if process.weights.is_some_and(|(v, _)| v >= version) {
                    return Err(format!("{who} goes from {:?} to version {version}", process.weights));
                }
                process.weights = Some((version, digest));
                PoolEvent::Adopted { who, version }
            }
            Order::Generate { lease, part, batch } => {
                let weights = process.weights.ok_or_else(|| format!("{who} has work and no weights"))?;
                generated(who, lease, (batch.id, part), generate(&batch, weights))
            }
        };
        let after = process.busy_until - now;
        self.later(after, Due::Done(who, event));
        Ok(())
    }

    fn running(&self, actor: u32) -> Option<ActorId> {
        self.processes.keys().find(|who| who.actor == actor).copied()
    }

    /// A process is dead; it is seen a little later, after what it said before.
    fn kill(&mut self, who: ActorId) {
        let Some(process) = self.processes.remove(&who) else { return };
        let seen = self.dice.between(1, DETECT_MS).max(process.last.1.saturating_sub(self.now) + 1);
        self.later(seen, Due::Pool(PoolEvent::Left { who, why: "was killed by signal 9".to_owned() }));
    }

    fn fault(&mut self, fault: Fault) -> Result<(), String> {
        self.tally.faults += 1;
        let now = self.now;
        match fault {
            Fault::Kill { actor } => self.running(actor).into_iter().for_each(|who| self.kill(who)),
            Fault::KillAll => self.processes.keys().copied().collect::<Vec<_>>().into_iter().for_each(|who| self.kill(who)),
            Fault::Freeze { actor, for_ms } => {
                if let Some(who) = self.running(actor)
                    && let Some(process) = self.processes.get_mut(&who)
                {
                    process.frozen_until = now + for_ms;
                    self.last_fault = self.last_fault.max(now + for_ms);
                    self.later(SILENCE_MS, Due::Silent(who, now));
                }
            }
            Fault::Delay { actor, by_ms, for_ms } => {
                if let Some(process) = self.running(actor).and_then(|who| self.processes.get_mut(&who)) {
                    process.delay = (by_ms, now + for_ms);
                    self.last_fault = self.last_fault.max(now + for_ms + by_ms);
                }
            }
            Fault::Echo { actor } => {
                let said = self.running(actor).and_then(|who| self.processes.get(&who)).map(|p| p.said.clone()).unwrap_or_default();
                if !said.is_empty() {
                    let echo = said[self.dice.below(said.len() as u64) as usize].clone();
                    let after = self.dice.between(1, 3_000);
                    self.later(after, Due::Pool(echo));
                }
            }
            Fault::BadStart { actor } => *self.bad_starts.entry(actor).or_default() += self.dice.between(1, 3),
            Fault::Die => return self.end_life(false),
            Fault::PowerLoss => return self.end_life(true),
            Fault::DieInSave { at, power } => self.death = Some((at, power)),
            Fault::Disk { errno, after, for_ms } => {
                self.disk.fs.take_calls();
                self.disk.fs.set_trouble(Some(Trouble { at: after, errno, lasting: for_ms > 0 }));
                self.later(for_ms.max(5_000), Due::DiskWell);
                self.last_fault = self.last_fault.max(now + for_ms.max(5_000));
            }
            Fault::AskSave => self.later(0, Due::Controller(Event::SaveRequested)),
            Fault::AskStop => {
                let commands = self.life.controller.on(Event::StopRequested).map_err(|e| e.to_string())?;
                return self.controller(commands);
            }
        }
        Ok(())
    }
}
