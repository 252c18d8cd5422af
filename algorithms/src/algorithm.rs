//! The contract between an algorithm and the learner.

use serde::{Deserialize, Serialize};

use crate::{AlgorithmError, Card, Denominators, Leaves, LossOutput};

/// What must be computed for an algorithm. Nothing else is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Needs {
    /// Entropies of the policy.
    pub entropy: bool,
    /// The full KL divergence over the vocabulary.
    pub full_kl: bool,
    /// Log-probabilities under the reference.
    pub reference: bool,
    /// A critic's values.
    pub values: bool,
    /// A teacher's log-probabilities.
    pub teacher: bool,
    /// The loss couples rows of different micro-batches: it must see all leaves of an update at once.
    pub whole_batch: bool,
    /// Groups whose scores are all equal are dropped and refilled.
    pub groups_with_spread: bool,
    /// The loss has no term but the one that credit multiplies: tokens with credit 0 give neither loss nor gradient, so the learner leaves
    /// them out. (A KL or an entropy term reaches every token.)
    pub credit_only: bool,
}

/// What an algorithm keeps from step to step. It is saved with every checkpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlgoState {
    /// An exponential average of rewards, once there is one.
    pub moving_baseline: Option<f64>,
}

/// The rewards of one group.
#[derive(Debug, Clone, Copy)]
pub struct GroupRewards<'a> {
    /// `[G]` the score of each member; none where there is no score. Such a member enters no baseline and is not trained.
    pub scores: &'a [Option<f64>],
    /// `[G]` tokens of each member.
    pub lengths: &'a [usize],
    /// `[G]` `Σ_t (log π_old − log π_ref)` of each member, if [`Needs::reference`].
    pub kl: Option<&'a [f64]>,
}

/// The rewards of a whole batch.
#[derive(Debug, Clone, Copy)]
pub struct CreditInput<'a> {
    /// `[P]` groups.
    pub groups: &'a [GroupRewards<'a>],
}

/// Credit of one member.
#[derive(Debug, Clone, PartialEq)]
pub enum RowCredit {
    /// The same for every token.
    Sequence(f64),
    /// One number a token.
    Tokens(Vec<f64>),
    /// It has no score: it is not trained.
    Untrained,
}

/// Credit by group and member.
#[derive(Debug, Clone, PartialEq)]
pub struct Credit {
    /// `[P][G]`
    pub rows: Vec<Vec<RowCredit>>,
}

/// An algorithm of online reinforcement learning.
pub trait Algorithm: Send + std::fmt::Debug {
    /// Its card.
    fn card(&self) -> &'static Card;

    /// What must be computed for it.
    fn needs(&self) -> Needs;

    /// Rewards to credit, over the whole batch.
    ///
    /// # Errors
    /// When the groups do not fit together.
    fn credit(&self, state: &mut AlgoState, input: &CreditInput<'_>) -> Result<Credit, AlgorithmError>;

    /// This micro-batch's share of the loss.
    ///
    /// # Errors
    /// When a shape is wrong or a tensor is missing.
    fn loss(&self, leaves: &Leaves<'_>, denominators: &Denominators) -> Result<LossOutput, AlgorithmError>;
}
