//! Hops 3 to 5 of the data: what is to be generated, what was, and how it was judged.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Answer, Prompt, Sampling, Seed, TokenId, Verdict};

/// Counts the policy's updates: 0 is the model the run started from.
pub type WeightsVersion = u64;

/// The address of a batch of rollouts. It is the unit of lease, redo and commit: any actor can redo it, and a second result for the same
/// id is thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BatchId {
    /// The flow step it serves.
    pub step: u64,
    /// 0, then counted up for each refill of the same step.
    pub refill: u32,
}

impl std::fmt::Display for BatchId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "step {} refill {}", self.step, self.refill)
    }
}

/// One prompt to be answered `group` times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutRequest {
    /// What is asked.
    pub prompt: Arc<Prompt>,
    /// G: how many completions.
    pub group: usize,
    /// How they are drawn.
    pub sampling: Arc<Sampling>,
    /// The address of the group; member g draws from `seed.fork("member", g)`.
    pub seed: Seed,
}

/// A batch of requests, cut without regard to how many actors there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutBatch {
    /// Its address.
    pub id: BatchId,
    /// What is to be generated, in order.
    pub requests: Vec<RolloutRequest>,
    /// How many rows are decoded at once. Part of the address: the shape of a batch can change the last bit of a sum.
    pub slots: usize,
}

/// Why a completion ended. Never guessed from a pad token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The policy drew an end-of-sequence token. It is part of the completion and is trained.
    Eos,
    /// A stop text appeared.
    Stop,
    /// `max_new_tokens` were drawn.
    Length,
    /// The context or a token budget of the run ended first.
    Budget,
    /// The policy called a tool.
    Tool,
    /// It could not be finished; the reason.
    Broken(String),
}

impl Finish {
    /// Whether the policy itself ended the answer.
    #[must_use]
    pub fn by_policy(&self) -> bool {
        matches!(self, Self::Eos | Self::Stop | Self::Tool)
    }
}

/// One completion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// The drawn tokens, `[T]`, the end-of-sequence token included.
    pub tokens: Vec<TokenId>,
    /// The answer as text: without special tokens and without the stop text.
    pub text: String,
    /// Log-probability of each token under the policy at the sampling temperature, over the whole vocabulary, in nats, `[T]`
    /// (at temperature 0: at temperature 1).
    pub logp: Vec<f32>,
    /// Log-probability under the law that sampled (after top-k, top-p, min-p, penalties), if it differs, `[T]`.
    pub logp_behaviour: Option<Vec<f32>>,
    /// Which tokens take part in training, `[T]`. Comes from the sampler.
    pub trained: Vec<bool>,
    /// Why it ended.
    pub finish: Finish,
    /// The weights that drew the first and the last token.
    pub versions: (WeightsVersion, WeightsVersion),
}

/// All completions of one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutGroup {
    /// What was asked.
    pub prompt: Arc<Prompt>,
    /// `[G]` completions.
    pub rollouts: Vec<Rollout>,
}

impl RolloutGroup {
    /// The completions as a reward sees them.
    pub fn answers(&self) -> impl Iterator<Item = Answer<'_>> {
        self.rollouts.iter().map(|r| Answer { text: &r.text, tokens: &r.tokens, finish: &r.finish })
    }
}

/// A group with a verdict for each completion.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredGroup {
    /// What was judged.
    pub group: RolloutGroup,
    /// `[G]` verdicts, in the order of the completions.
    pub verdicts: Vec<Verdict>,
}

impl ScoredGroup {
    /// The totals of the completions that have a score, with their index. Nothing else enters a baseline.
    pub fn scores(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.verdicts.iter().enumerate().filter_map(|(i, v)| v.score().map(|s| (i, s.total)))
    }

    /// Whether at least two completions have scores: less cannot be compared.
    #[must_use]
    pub fn comparable(&self) -> bool {
        self.scores().take(2).count() == 2
    }

    /// Whether two scores differ: without spread a group carries no signal for a group baseline.
    #[must_use]
    pub fn has_spread(&self) -> bool {
        let mut scores = self.scores().map(|(_, s)| s);
        let first = scores.next();
        scores.any(|s| Some(s) != first)
    }
}
