//! Who works on what: parts, leases, results.

use std::collections::BTreeMap;

use collimate_types::{BatchId, RolloutBatch, RolloutGroup};

use super::{ActorId, Millis, cut};

#[derive(Debug, Clone)]
enum State {
    Waiting,
    Leased(Lease),
    Done(Vec<RolloutGroup>),
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    id: u64,
    holder: ActorId,
    /// The end of the lease, whatever comes.
    until: Millis,
    /// The end of the lease if no progress comes.
    stall: Millis,
}

#[derive(Debug, Clone)]
struct Part {
    batch: RolloutBatch,
    state: State,
    /// Actors that ended with this part in hand.
    deaths: u32,
}

/// What became of a result.
#[derive(Debug)]
pub(super) enum Finished {
    /// Nobody waits for it: the lease is not the part's, or the part is done, or the batch is.
    Late,
    /// It does not answer what was asked.
    Wrong(String),
    /// Other parts are missing.
    Part,
    /// It was the last part: the groups of the whole batch, in order.
    Whole(Vec<RolloutGroup>),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    batches: BTreeMap<BatchId, Vec<Part>>,
    leases: u64,
}

impl Ledger {
    /// How many batches are under way.
    pub(super) fn batches(&self) -> usize {
        self.batches.len()
    }

    /// Takes a batch; `false` if it is there already.
    pub(super) fn add(&mut self, batch: &RolloutBatch, prompts_per_part: usize) -> bool {
        if self.batches.contains_key(&batch.id) {
            return false;
        }
        let part = |batch| Part { batch, state: State::Waiting, deaths: 0 };
        self.batches.insert(batch.id, cut(batch, prompts_per_part).into_iter().map(part).collect());
        true
    }

    pub(super) fn remove(&mut self, id: BatchId) {
        self.batches.remove(&id);
    }

    fn parts(&self) -> impl Iterator<Item = (BatchId, u32, &Part)> {
        self.batches.iter().flat_map(|(id, parts)| (0..).zip(parts).map(|(index, part)| (*id, index, part)))
    }

    fn leases(&self) -> impl Iterator<Item = (BatchId, u32, Lease)> {
        self.parts().filter_map(|(id, index, part)| if let State::Leased(lease) = part.state { Some((id, index, lease)) } else { None })
    }

    /// What an actor works on.
    pub(super) fn held_by(&self, who: ActorId) -> Option<(BatchId, u32)> {
        self.leases().find(|(_, _, lease)| lease.holder == who).map(|(id, part, _)| (id, part))
    }

    /// When an actor's lease ends.
    pub(super) fn lease_end(&self, who: ActorId) -> Option<Millis> {
        self.leases().find(|(_, _, lease)| lease.holder == who).map(|(_, _, lease)| lease.until)
    }

    /// Leases the first part that waits to an actor.
    pub(super) fn lease(&mut self, holder: ActorId, until: Millis, stall: Millis) -> Option<(u64, u32, RolloutBatch)> {
        let mut parts = self.batches.values_mut().flat_map(|parts| (0..).zip(parts));
        let (index, part) = parts.find(|(_, part)| matches!(part.state, State::Waiting))?;
        self.leases += 1;
        part.state = State::Leased(Lease { id: self.leases, holder, until, stall });
        Some((self.leases, index, part.batch.clone()))
    }

    /// An actor works on: its lease does not end for want of progress before this.
    pub(super) fn progress(&mut self, who: ActorId, stall: Millis) {
        for part in self.batches.values_mut().flatten() {
            if let State::Leased(lease) = &mut part.state
                && lease.holder == who
            {
                lease.stall = stall;
            }
        }
    }

    /// Takes an actor's part from it; gives the part and how many actors ended with it in hand.
    pub(super) fn release(&mut self, who: ActorId) -> Option<(BatchId, u32, u32)> {
        let (id, index) = self.held_by(who)?;
        let part = self.batches.get_mut(&id)?.get_mut(index as usize)?;
        part.state = State::Waiting;
        part.deaths += 1;
        Some((id, index, part.deaths))
    }

    /// Takes a result, if it comes under the lease that its part has now.
    pub(super) fn finish(&mut self, who: ActorId, lease: u64, (id, index): (BatchId, u32), groups: Vec<RolloutGroup>) -> Finished {
        let Some(parts) = self.batches.get_mut(&id) else { return Finished::Late };
        let Some(part) = parts.get_mut(index as usize) else { return Finished::Late };
        match part.state {
            State::Leased(held) if held.id == lease && held.holder == who => {}
            _ => return Finished::Late,
        }
        if let Some(why) = mismatch(&part.batch, &groups) {
            return Finished::Wrong(format!("answered part {index} of {id} with {why}"));
        }
        part.state = State::Done(groups);
        if !parts.iter().all(|part| matches!(part.state, State::Done(_))) {
            return Finished::Part;
        }
        let parts = self.batches.remove(&id).unwrap_or_default();
        let groups = parts.into_iter().flat_map(|part| if let State::Done(groups) = part.state { groups } else { Vec::new() });
        Finished::Whole(groups.collect())
    }

    /// Whose lease has ended, and what was waited for.
    pub(super) fn late(&self, now: Millis) -> Vec<(ActorId, String)> {
        let late = self.leases().filter(|(_, _, lease)| lease.until.min(lease.stall) <= now);
        late.map(|(id, part, lease)| (lease.holder, format!("was late: the run waited for {}", wait(id, part, &lease)))).collect()
    }

    /// The next end of a lease, and what is waited for.
    pub(super) fn deadline(&self) -> Option<(Millis, String)> {
        let (id, part, lease) = self.leases().min_by_key(|(_, _, lease)| lease.until.min(lease.stall))?;
        Some((lease.until.min(lease.stall), wait(id, part, &lease)))
    }
}

fn wait(id: BatchId, part: u32, lease: &Lease) -> String {
    let what = if lease.until <= lease.stall { "the result" } else { "progress" };
    format!("{what} of part {part} of {id} from {}", lease.holder)
}

/// How an answer differs from what was asked; the order of requests is part of what makes a run repeatable.
fn mismatch(batch: &RolloutBatch, groups: &[RolloutGroup]) -> Option<String> {
    if groups.len() != batch.requests.len() {
        return Some(format!("{} groups in place of {}", groups.len(), batch.requests.len()));
    }
    let pairs = batch.requests.iter().zip(groups);
    let wrong = |(request, group): &(&collimate_types::RolloutRequest, &RolloutGroup)| {
        group.prompt.task.id != request.prompt.task.id || group.rollouts.len() != request.group
    };
    pairs.into_iter().find(wrong).map(|(request, group)| {
        let (got, wanted) = (group.rollouts.len(), request.group);
        format!("{got} completions of task `{}` in place of {wanted} of `{}`", group.prompt.task.id, request.prompt.task.id)
    })
}
