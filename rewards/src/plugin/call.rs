//! Answers to one prompt on their way to a plugin and their verdicts on the way back.

use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use collimate_reward_sdk::wire::frame::{self, HEADER, Kind};
use collimate_reward_sdk::wire::{item, json};
use collimate_types::{Answer, InfraKind, Prompt, Verdict};

use super::queue::Item;

/// How a plugin wants its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Form {
    /// JSON lines instead of frames.
    pub(super) json: bool,
    /// All answers to a prompt as one unit.
    pub(super) whole_groups: bool,
}

/// Answers to one prompt, encoded once by the thread that asks; the keepers only copy bytes.
pub(super) struct Call {
    /// The task's id, for messages.
    pub(super) task: String,
    bytes: Vec<u8>,
    prompt: Range<usize>,
    answers: Vec<Range<usize>>,
    whole_groups: bool,
    state: Mutex<State>,
    done: Condvar,
}

struct State {
    verdicts: Vec<Option<Verdict>>,
    left: usize,
}

impl Call {
    pub(super) fn new(form: Form, prompt: &Prompt, answers: &[Answer<'_>]) -> Self {
        let mut bytes = Vec::new();
        if form.json {
            json::put_prompt(&mut bytes, prompt)
        } else {
            item::put_prompt(&mut bytes, prompt)
        }
        let shared = 0..bytes.len();
        let mut ranges = Vec::with_capacity(answers.len());
        for answer in answers {
            let start = bytes.len();
            if form.json {
                json::put_answer(&mut bytes, answer)
            } else {
                item::put_answer(&mut bytes, answer)
            }
            ranges.push(start..bytes.len());
        }
        let state = State { verdicts: vec![None; answers.len()], left: if form.whole_groups { 1 } else { answers.len() } };
        Self {
            task: prompt.task.id.clone(),
            bytes,
            prompt: shared,
            answers: ranges,
            whole_groups: form.whole_groups,
            state: Mutex::new(state),
            done: Condvar::new(),
        }
    }

    /// The units of work.
    pub(super) fn items(call: &Arc<Self>) -> Vec<Item> {
        let units = if call.whole_groups { 1 } else { call.answers.len() };
        (0..units).map(|unit| Item::new(call.clone(), unit)).collect()
    }

    fn range(&self, unit: usize) -> Range<usize> {
        if self.whole_groups { 0..self.answers.len() } else { unit..unit + 1 }
    }

    /// How many verdicts a unit wants.
    pub(super) fn wants(&self, unit: usize) -> usize {
        self.range(unit).len()
    }

    /// Bytes that a unit takes on the wire, about.
    pub(super) fn size(&self, unit: usize) -> usize {
        let answers = &self.answers[self.range(unit)];
        self.prompt.len() + answers.last().map_or(0, |l| l.end) - answers.first().map_or(0, |f| f.start)
    }

    /// The verdicts of a unit have come.
    pub(super) fn settle(&self, unit: usize, verdicts: Vec<Verdict>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, verdict) in state.verdicts[self.range(unit)].iter_mut().zip(verdicts) {
            *place = Some(verdict);
        }
        state.left -= 1;
        if state.left == 0 {
            self.done.notify_all();
        }
    }

    /// Waits until every unit has its verdicts. It ends: every unit is judged, charged or given up within its deadlines.
    pub(super) fn wait(&self) -> Vec<Verdict> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.left > 0 {
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let lost = || Verdict::InfraError { kind: InfraKind::Transport, retryable: false, detail: "no verdict came".into() };
        state.verdicts.iter_mut().map(|v| v.take().unwrap_or_else(lost)).collect()
    }
}

/// Appends units as a frame, or as lines; neighbours of one call share their prompt. `next` numbers the lines.
pub(super) fn put_batch<'a>(out: &mut Vec<u8>, form: Form, items: impl Iterator<Item = &'a Item>, next: &mut u64) {
    if form.json {
        for item in items {
            let call = &item.call;
            let answers: Vec<&[u8]> = call.answers[call.range(item.unit)].iter().map(|r| &call.bytes[r.clone()]).collect();
            json::put_item(out, *next, &call.bytes[call.prompt.clone()], &answers, form.whole_groups);
            out.push(b'\n');
            *next += 1;
        }
        return;
    }
    let start = frame::begin(out, Kind::Batch);
    out.extend_from_slice(&[0; 4]);
    // The group that is being written: its call, where its number of answers stands, and how many it has.
    let mut open: Option<(&Arc<Call>, usize, u32)> = None;
    let mut groups: u32 = 0;
    for item in items {
        let call = &item.call;
        let (at, count) = match open {
            Some((last, at, count)) if Arc::ptr_eq(last, call) && !form.whole_groups => (at, count),
            _ => {
                groups += 1;
                out.extend_from_slice(&call.bytes[call.prompt.clone()]);
                out.extend_from_slice(&[0; 4]);
                (out.len() - 4, 0)
            }
        };
        for range in &call.answers[call.range(item.unit)] {
            out.extend_from_slice(&call.bytes[range.clone()]);
        }
        let count = count + call.wants(item.unit) as u32;
        out[at..at + 4].copy_from_slice(&count.to_le_bytes());
        open = Some((call, at, count));
    }
    out[start + HEADER..start + HEADER + 4].copy_from_slice(&groups.to_le_bytes());
    frame::end(out, start);
}
