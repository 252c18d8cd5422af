//! The nouns that travel through a run, and the contracts that strangers implement.
//!
//! One noun per hop of the data (docs/architecture.md walks them in order). No LibTorch, no I/O, no clock: the author of a reward or of a
//! data format depends on this crate alone and builds in seconds.
//!
//! Axis letters used in names and in `# Shapes` sections all over the project:
//! **P** prompts in a batch, **G** rollouts per prompt, **B** = P·G rows, **T** token positions, **V** vocabulary.

mod credited;
mod flow;
mod message;
mod metrics;
mod preference;
mod reward;
mod rollout;
mod sampling;
pub mod seed;
mod task;
mod verdict;

pub use credited::{CreditedBatch, CreditedGroup, CreditedRow, CriticRow};
pub use flow::{FlowPlan, Role, StepReport};
pub use message::{Message, Speaker};
pub use metrics::Metrics;
pub use preference::{Demonstration, PreferencePair, RatedAnswer, Reply, SteppedAnswer};
pub use reward::{Answer, Reward};
pub use rollout::{BatchId, Finish, Rollout, RolloutBatch, RolloutGroup, RolloutRequest, ScoredGroup, WeightsVersion};
pub use sampling::{Sampling, SamplingError};
pub use seed::Seed;
pub use task::{Prompt, Task};
pub use verdict::{BoxError, InfraKind, Score, Verdict};

/// A token id as the tokenizer numbers it, `0 ≤ id < V`.
pub type TokenId = u32;
