//! What the launcher and its actors say to each other.

use collimate_types::{BatchId, RolloutBatch, RolloutGroup, WeightsVersion};
use serde::{Deserialize, Serialize};

use crate::Ticket;

/// What an actor is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "order")]
pub enum Order {
    /// Generate a part of a batch. Answer: [`Report::Generated`].
    Generate {
        /// The lease that the result must name.
        lease: u64,
        /// Which part of the batch, counted from 0.
        part: u32,
        /// The part: the batch's address with the requests of this part.
        batch: RolloutBatch,
        /// The weights it must be generated with.
        version: WeightsVersion,
    },
    /// Take new weights. Answer: [`Report::Adopted`].
    Adopt(Ticket),
    /// End.
    Stop,
}

/// What an actor tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "report")]
pub enum Report {
    /// A part of a batch is generated.
    Generated {
        /// The lease it was done under.
        lease: u64,
        /// The batch.
        id: BatchId,
        /// The part.
        part: u32,
        /// One group a request.
        groups: Vec<RolloutGroup>,
    },
    /// New weights are in use.
    Adopted {
        /// Their version.
        version: WeightsVersion,
        /// The digest of what was mapped.
        digest: String,
        /// A log-probability computed with them: the learner computes the same one, so it proves which weights answer.
        probe: f64,
    },
    /// Something could not be done. The pool starts the actor anew: what it holds is not to be trusted.
    Failed {
        /// The lease, if it was a part of a batch.
        lease: Option<u64>,
        /// What went wrong.
        what: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::{Finish, Prompt, Rollout, Task};
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        /// The losses of `inline` and `spread` are compared bit for bit: a log-probability must survive the way.
        #[test]
        fn every_number_of_a_rollout_comes_back_bit_for_bit(bits in proptest::collection::vec(any::<u32>(), 1..50)) {
            let logp: Vec<f32> = bits.into_iter().map(f32::from_bits).filter(|x| x.is_finite()).collect();
            let task = Task { id: "t".into(), text: None, messages: Vec::new(), truth: serde_json::json!({ "deep": [1, "x"] }), reward: None };
            let prompt = Arc::new(Prompt { task: Arc::new(task), text: "p".into(), tokens: vec![1] });
            let n = logp.len();
            let rollout = Rollout {
                tokens: vec![7; n], text: "é\n".into(), logp_behaviour: Some(logp.clone()), logp, trained: vec![true; n],
                finish: Finish::Broken("why".into()), versions: (3, u64::MAX),
            };
            let id = BatchId { step: 2, refill: 1 };
            let report = Report::Generated { lease: 5, id, part: 1, groups: vec![RolloutGroup { prompt, rollouts: vec![rollout] }] };
            let back: Report = serde_json::from_slice(&serde_json::to_vec(&report).unwrap()).unwrap();
            prop_assert_eq!(back, report);
        }
    }
}
