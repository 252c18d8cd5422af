//! Work that waits for a copy of the plugin, and what all copies know together.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use collimate_types::{InfraKind, Verdict};

use super::PluginCounts;
use super::call::Call;

/// Bytes that are sent in one batch at most, unless a single unit is larger.
const BATCH_BYTES: usize = 1 << 20;

/// A unit of work, with what has befallen it.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) call: Arc<Call>,
    pub(super) unit: usize,
    /// Copies that died while it was all they had.
    pub(super) deaths: u8,
    /// Deadlines that it missed.
    pub(super) misses: u8,
    /// Whether it must be judged with nothing beside it: something happened in its company.
    pub(super) alone: bool,
}

impl Item {
    pub(super) fn new(call: Arc<Call>, unit: usize) -> Self {
        Self { call, unit, deaths: 0, misses: 0, alone: false }
    }

    /// Ends it with verdicts of the plugin.
    pub(super) fn settle(self, verdicts: Vec<Verdict>) {
        self.call.settle(self.unit, verdicts);
    }

    /// Ends it without a score.
    pub(super) fn fail(self, kind: InfraKind, detail: &str) {
        let verdict = Verdict::InfraError { kind, retryable: false, detail: detail.to_owned() };
        let verdicts = vec![verdict; self.call.wants(self.unit)];
        self.settle(verdicts);
    }
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    quit: bool,
    /// Why the plugin was given up.
    given_up: Option<String>,
    deaths_in_row: u32,
    keepers: usize,
    processes: Vec<u32>,
    counts: PluginCounts,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a call's units in line; of a plugin that was given up they fail at once.
    pub(super) fn submit(&self, call: &Arc<Call>) {
        let items = Call::items(call);
        let mut state = self.lock();
        if let Some(why) = &state.given_up {
            let why = why.clone();
            drop(state);
            items.into_iter().for_each(|item| item.fail(InfraKind::Death, &why));
            return;
        }
        let many = items.len() > 1;
        state.waiting.extend(items);
        drop(state);
        if many { self.work.notify_all() } else { self.work.notify_one() }
    }

    /// Puts units back to the front, in their order.
    pub(super) fn give_back(&self, items: Vec<Item>) {
        let mut state = self.lock();
        if let Some(why) = &state.given_up {
            let why = why.clone();
            drop(state);
            items.into_iter().for_each(|item| item.fail(InfraKind::Death, &why));
            return;
        }
        for item in items.into_iter().rev() {
            state.waiting.push_front(item);
        }
        drop(state);
        self.work.notify_all();
    }

    /// The next units for an idle copy: waits for them. None when the plugin is no longer wanted.
    pub(super) fn take(&self, batch: usize) -> Option<Vec<Item>> {
        let mut state = self.lock();
        loop {
            if state.quit {
                return None;
            }
            if let Some(items) = state.next(batch, true) {
                return Some(items);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// More units for a copy that has work already, if any wait.
    pub(super) fn take_more(&self, batch: usize) -> Option<Vec<Item>> {
        let mut state = self.lock();
        if state.quit { None } else { state.next(batch, false) }
    }

    /// A copy runs.
    pub(super) fn started(&self, process: u32) {
        let mut state = self.lock();
        state.counts.started += 1;
        state.processes.push(process);
    }

    /// A copy is gone.
    pub(super) fn ended(&self, process: u32) {
        self.lock().processes.retain(|p| *p != process);
    }

    /// Units were judged.
    pub(super) fn judged(&self, units: usize) {
        let mut state = self.lock();
        state.counts.judged += units as u64;
        state.deaths_in_row = 0;
    }

    /// A copy died, or was killed at a deadline, before it had judged anything since the last one. After `most` of them in a row the plugin
    /// is given up: everything that waits fails. Returns how many it were in a row.
    pub(super) fn died(&self, late: bool, most: u32, how: &str) -> u32 {
        let mut state = self.lock();
        if late {
            state.counts.late += 1;
        } else {
            state.counts.died += 1;
        }
        state.deaths_in_row += 1;
        let row = state.deaths_in_row;
        if row >= most && state.given_up.is_none() {
            let why = format!("it is given up after {row} deaths in a row without a judged answer; the last: {how}");
            state.given_up = Some(why.clone());
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            waiting.into_iter().for_each(|item| item.fail(InfraKind::Death, &why));
        }
        row
    }

    /// A thread begins to keep a copy.
    pub(super) fn keeper(&self) {
        self.lock().keepers += 1;
    }

    /// Nobody wants the plugin any more.
    pub(super) fn quit(&self) {
        self.lock().quit = true;
        self.work.notify_all();
    }

    pub(super) fn wanted(&self) -> bool {
        !self.lock().quit
    }

    pub(super) fn counts(&self) -> PluginCounts {
        self.lock().counts
    }

    pub(super) fn processes(&self) -> Vec<u32> {
        self.lock().processes.clone()
    }
}

impl State {
    /// A batch from the front. A unit that must be alone goes alone, and only to an idle copy.
    fn next(&mut self, batch: usize, idle: bool) -> Option<Vec<Item>> {
        let first = self.waiting.front()?;
        if first.alone {
            return if idle { self.waiting.pop_front().map(|item| vec![item]) } else { None };
        }
        // No copy takes so much that another would stand idle.
        let share = self.waiting.len().div_ceil(self.keepers.max(1)).clamp(1, batch);
        let (mut items, mut bytes) = (Vec::with_capacity(share), 0);
        while items.len() < share
            && let Some(next) = self.waiting.front().filter(|n| !n.alone)
        {
            bytes += next.call.size(next.unit);
            if bytes > BATCH_BYTES && !items.is_empty() {
                break;
            }
            items.extend(self.waiting.pop_front());
        }
        Some(items)
    }
}
