//! An actor's process, as far as others can see it: what it was told, what it runs, how late it is.

use std::collections::BTreeMap;

use collimate_controller::pool::{ActorId, PoolEvent};
use collimate_types::{BatchId, Finish, Rollout, RolloutBatch, RolloutGroup, RolloutRequest, WeightsVersion};

/// What an actor is told.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    Generate { lease: u64, part: u32, batch: RolloutBatch },
    Adopt { version: WeightsVersion, digest: u64 },
}

/// A process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Process {
    /// The weights it runs.
    pub(crate) weights: Option<(WeightsVersion, u64)>,
    /// It stands still until then.
    pub(crate) frozen_until: u64,
    /// Messages of this process are late by so much, until then.
    pub(crate) delay: (u64, u64),
    /// When the last message to it and from it arrives: a socket keeps the order.
    pub(crate) last: (u64, u64),
    /// When it is done with what it does.
    pub(crate) busy_until: u64,
    /// Everything it said, for echoes.
    pub(crate) said: Vec<PoolEvent>,
    /// Orders that it has and has not carried out.
    pub(crate) queued: usize,
}

/// The living processes.
pub(crate) type Processes = BTreeMap<ActorId, Process>;

/// What an actor with these weights generates: a function of the request's address and of the weights, and of nothing else.
pub(crate) fn generate(batch: &RolloutBatch, (version, digest): (WeightsVersion, u64)) -> Vec<RolloutGroup> {
    let rollout = |request: &RolloutRequest, member: u64| {
        let drawn = request.seed.fork("member", member).fork("weights", digest).0;
        Rollout {
            tokens: vec![drawn as u32, (drawn >> 32) as u32],
            text: String::new(),
            logp: vec![-1.0, -1.0],
            logp_behaviour: None,
            trained: vec![true, true],
            finish: Finish::Eos,
            versions: (version, version),
        }
    };
    let group = |request: &RolloutRequest| RolloutGroup {
        prompt: request.prompt.clone(),
        rollouts: (0..request.group as u64).map(|member| rollout(request, member)).collect(),
    };
    batch.requests.iter().map(group).collect()
}

/// The actor's answer to a part.
pub(crate) fn generated(who: ActorId, lease: u64, (id, part): (BatchId, u32), groups: Vec<RolloutGroup>) -> PoolEvent {
    PoolEvent::Generated { who, lease, id, part, groups }
}
