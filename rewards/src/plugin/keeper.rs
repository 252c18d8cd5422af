//! The thread that keeps one copy of a plugin at work.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use collimate_reward_sdk::wire::{Hello, WireError};
use collimate_types::{InfraKind, Verdict};

use super::PluginSettings;
use super::call::{Form, put_batch};
use super::log::Log;
use super::queue::{Item, Queue};
use super::worker::{Over, Turn, Worker};
use crate::within::within;

/// What a copy says when it is started.
pub(super) type Greeting = Result<(Hello, Form), String>;

/// Keeps a copy at work.
pub(super) struct Keeper {
    settings: Arc<PluginSettings>,
    queue: Arc<Queue>,
    log: Arc<Log>,
    worker: Option<Worker>,
    range: Option<[f64; 2]>,
    flight: Flight,
    /// Units that the present copy has judged.
    judged: u64,
}

/// What has been sent and not been answered.
#[derive(Default)]
struct Flight {
    items: VecDeque<Item>,
    /// Unanswered units of each batch, oldest first.
    batches: VecDeque<usize>,
    /// Since when the first unit is being judged.
    since: Option<Instant>,
}

impl Flight {
    fn alone(&self) -> bool {
        self.items.front().is_some_and(|i| i.alone)
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        if let Some(batch) = self.batches.front_mut() {
            *batch -= 1;
            if *batch == 0 {
                self.batches.pop_front();
            }
        }
        Some(item)
    }

    /// Everything unanswered: what stands in the batch that was being judged, and what stands behind it.
    fn take(&mut self) -> (Vec<Item>, Vec<Item>) {
        let first = self.batches.pop_front().unwrap_or(0);
        let suspects = self.items.drain(..first).collect();
        self.batches.clear();
        self.since = None;
        (suspects, self.items.drain(..).collect())
    }
}

impl Keeper {
    pub(super) fn new(settings: Arc<PluginSettings>, queue: Arc<Queue>, log: Arc<Log>) -> Self {
        queue.keeper();
        Self { settings, queue, log, worker: None, range: None, flight: Flight::default(), judged: 0 }
    }

    /// Starts the copy, tells how that went, and works until the plugin is no longer wanted.
    pub(super) fn keep(mut self, started: &Sender<Greeting>) {
        let greeting = self.start();
        let failed = greeting.is_err();
        let _ = started.send(greeting);
        if failed {
            return;
        }
        loop {
            if self.flight.items.is_empty() {
                let Some(items) = self.queue.take(self.settings.batch) else { break };
                if !self.ready() {
                    self.queue.give_back(items);
                    continue;
                }
                self.send(items);
            }
            while !self.flight.alone() && self.flight.batches.len() < self.settings.pipeline && !self.used_up() {
                let Some(items) = self.queue.take_more(self.settings.batch) else { break };
                self.send(items);
            }
            self.turn();
        }
        if let Some(worker) = self.worker.take() {
            self.queue.ended(worker.process());
            worker.dismiss();
        }
    }

    fn start(&mut self) -> Greeting {
        let (worker, hello) = Worker::start(&self.settings, &self.log)?;
        let form = worker.form();
        self.queue.started(worker.process());
        self.range = hello.range;
        self.worker = Some(worker);
        self.judged = 0;
        Ok((hello, form))
    }

    /// Makes sure that a copy lives. One that died while it had nothing to do is replaced and nobody is blamed.
    fn ready(&mut self) -> bool {
        if let Some(worker) = &mut self.worker {
            if worker.lives() {
                return true;
            }
            self.replace();
        }
        match self.start() {
            Ok(_) => true,
            Err(how) => {
                self.mourn(false, &how);
                false
            }
        }
    }

    fn send(&mut self, items: Vec<Item>) {
        let Some(worker) = &mut self.worker else { return self.queue.give_back(items) };
        let form = worker.form();
        worker.post(|out, next| put_batch(out, form, items.iter(), next));
        self.flight.since.get_or_insert_with(Instant::now);
        self.flight.batches.push_back(items.len());
        self.flight.items.extend(items);
    }

    fn turn(&mut self) {
        let deadline = self.settings.deadline();
        let Some(worker) = &mut self.worker else { return };
        let since = self.flight.since.unwrap_or_else(Instant::now);
        let Turn { units, over } = worker.turn(deadline.saturating_sub(since.elapsed()));
        let came = units.len();
        if came > 0 {
            self.queue.judged(came);
            self.judged += came as u64;
        }
        let mut panicked = false;
        for unit in units {
            panicked |= unit.iter().any(|v| matches!(v, Verdict::InfraError { kind: InfraKind::Panic, .. }));
            let Some(item) = self.flight.pop() else {
                return self.lost(&Over::Broke(WireError::Json("more verdicts came than answers were sent".into())));
            };
            let verdicts = self.checked(unit, item.call.wants(item.unit));
            item.settle(verdicts);
        }
        if came > 0 {
            self.flight.since = (!self.flight.items.is_empty()).then(Instant::now);
        }
        if panicked {
            self.retire();
        } else if let Some(over) = over {
            self.lost(&over);
        } else if self.flight.since.is_some_and(|s| s.elapsed() >= deadline) {
            self.late();
        } else if self.flight.items.is_empty() && self.used_up() {
            self.replace();
        }
    }

    /// Whether the copy has, or is about to have, judged as many units as one may.
    fn used_up(&self) -> bool {
        self.settings.recycle > 0 && self.judged + self.flight.items.len() as u64 >= self.settings.recycle
    }

    /// Verdicts as they are taken: of the number that was asked for, and within the declared range.
    fn checked(&self, unit: Vec<Verdict>, wanted: usize) -> Vec<Verdict> {
        if unit.len() != wanted {
            let detail = format!("{} verdicts came back for {wanted} answers", unit.len());
            return vec![Verdict::InfraError { kind: InfraKind::Transport, retryable: false, detail }; wanted];
        }
        unit.into_iter().map(|v| within(v, self.range)).collect()
    }

    /// After a panic the copy is replaced: nobody knows what the panic left behind. What was unanswered has done nothing.
    fn retire(&mut self) {
        let (mut items, behind) = self.flight.take();
        items.extend(behind);
        self.queue.give_back(items);
        self.replace();
    }

    fn replace(&mut self) {
        if let Some(worker) = self.worker.take() {
            self.queue.ended(worker.process());
            worker.kill(false);
        }
    }

    /// The copy has ended or cannot be understood.
    fn lost(&mut self, over: &Over) {
        let (suspects, behind) = self.flight.take();
        let mut how = self.bury(matches!(over, Over::Ended));
        let kind = match over {
            Over::Ended => InfraKind::Death,
            Over::Broke(error) => {
                how = format!("it broke the protocol: {error}; {how}");
                InfraKind::Transport
            }
        };
        let mut back = Vec::new();
        for mut item in suspects {
            item.deaths += u8::from(item.alone);
            item.alone = true;
            if item.deaths >= 2 {
                let detail = format!("twice, while it judged task `{}` and nothing else: {how}", item.call.task);
                item.fail(kind, &detail);
            } else {
                back.push(item);
            }
        }
        back.extend(behind);
        self.queue.give_back(back);
        self.mourn(false, &how);
    }

    /// The first unanswered unit has missed its deadline.
    fn late(&mut self) {
        let (suspects, behind) = self.flight.take();
        let seconds = self.settings.deadline_s;
        let how = format!("no verdict within {seconds} s: {}", self.bury(false));
        let mut back = Vec::new();
        for (i, mut item) in suspects.into_iter().enumerate() {
            if i == 0 {
                item.misses += 1;
                item.alone = true;
            }
            if item.misses >= 2 && i == 0 {
                let detail = format!("the deadline of {seconds} s was missed twice at task `{}`; {how}", item.call.task);
                item.fail(InfraKind::Deadline, &detail);
            } else {
                back.push(item);
            }
        }
        back.extend(behind);
        self.queue.give_back(back);
        self.mourn(true, &how);
    }

    fn bury(&mut self, closed: bool) -> String {
        let Some(worker) = self.worker.take() else { return "it is gone".into() };
        self.queue.ended(worker.process());
        worker.kill(closed)
    }

    /// Counts a death, and waits a little if it was not the first in a row: a plugin that cannot start shall not keep the machine busy.
    fn mourn(&self, late: bool, how: &str) {
        let row = self.queue.died(late, self.settings.max_deaths, how);
        let pause = Duration::from_millis(10) * 2_u32.pow(row.saturating_sub(3).min(5));
        if row > 2 && self.queue.wanted() {
            std::thread::sleep(pause);
        }
    }
}
