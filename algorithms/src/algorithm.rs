//! The contract between an algorithm of online reinforcement learning and the learner.

use serde::{Deserialize, Serialize};

use crate::{AlgorithmError, Card, CriticLeaves, Denominators, Leaves, LossOutput, RoleLoss, Stats};

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
    /// Log-probabilities under the law that drew the tokens, where it is not the policy that sampled ([`Leaves::logp_behaviour`]).
    pub behaviour: bool,
    /// The score of the answer that greedy decoding gives to each prompt ([`GroupRewards::greedy`]).
    pub greedy: bool,
    /// Credit compares the answers to one prompt: a group of one teaches nothing.
    pub siblings: bool,
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
    /// The weight of the KL in the reward, once a controller has moved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_coefficient: Option<f64>,
    /// The mean of all implicit rewards of the run, once there is one ([`crate::preference::RunningMean`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implicit_rewards: Option<crate::preference::RunningMean>,
}

/// The tokens of one member, where credit looks at single tokens.
#[derive(Debug, Clone, Copy)]
pub struct RowTokens<'a> {
    /// `[T]` whether each token takes part.
    pub trained: &'a [bool],
    /// `[T]` `log π_old − log π_ref` of each token, if [`Needs::reference`].
    pub kl: Option<&'a [f64]>,
    /// `[T]` the critic's value of the state before each token, if [`Needs::values`].
    pub values: Option<&'a [f64]>,
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
    /// `[G]` the tokens of each member; without it every token takes part.
    pub tokens: Option<&'a [RowTokens<'a>]>,
    /// The score of the greedy answer to the prompt, if [`Needs::greedy`].
    pub greedy: Option<f64>,
}

impl<'a> GroupRewards<'a> {
    /// Scores and lengths alone.
    #[must_use]
    pub fn new(scores: &'a [Option<f64>], lengths: &'a [usize]) -> Self {
        Self { scores, lengths, kl: None, tokens: None, greedy: None }
    }
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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Credit {
    /// `[P][G]`
    pub rows: Vec<Vec<RowCredit>>,
    /// `[P][G][T]` what the critic should have said, if there is one; empty for a member that is not trained.
    pub returns: Option<Vec<Vec<Vec<f64>>>>,
    /// What was measured on the way: the KL in the reward and its weight, the critic's explained variance.
    pub stats: Stats,
}

/// An algorithm of online reinforcement learning: answers are drawn, scored, credited, and learnt from.
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

    /// This micro-batch's share of the policy's loss.
    ///
    /// # Errors
    /// When a shape is wrong or a tensor is missing.
    fn loss(&self, leaves: &Leaves<'_>, denominators: &Denominators) -> Result<LossOutput, AlgorithmError>;

    /// The shared parts it is made of, with the knobs that it has.
    fn parts(&self) -> Vec<&'static str> {
        self.card().parts.to_vec()
    }

    /// The loss of the second role, for an algorithm that trains a critic ([`Needs::values`]).
    fn critic(&self) -> Option<&dyn CriticLoss> {
        None
    }
}

/// What a critic learns. It is another model with its own optimizer, so it has its own leaves and its own scalar.
pub trait CriticLoss: Send + std::fmt::Debug {
    /// This micro-batch's share of the critic's loss.
    ///
    /// # Errors
    /// When a shape is wrong.
    fn loss(&self, leaves: &CriticLeaves<'_>, denominators: &Denominators) -> Result<RoleLoss, AlgorithmError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_an_older_checkpoint_loads_and_a_new_one_comes_back() {
        let old: AlgoState = serde_json::from_str(r#"{"moving_baseline":0.5}"#).unwrap();
        assert_eq!(old, AlgoState { moving_baseline: Some(0.5), ..AlgoState::default() });
        assert_eq!(serde_json::to_string(&old).unwrap(), r#"{"moving_baseline":0.5}"#);
        let implicit_rewards = Some(crate::preference::RunningMean { mean: 0.25, count: 8.0 });
        let new = AlgoState { moving_baseline: None, kl_coefficient: Some(0.1), implicit_rewards };
        assert_eq!(serde_json::from_str::<AlgoState>(&serde_json::to_string(&new).unwrap()).unwrap(), new);
    }
}
