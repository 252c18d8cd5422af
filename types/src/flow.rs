//! What the controller must know of an algorithm, without knowing any algorithm.

use serde::{Deserialize, Serialize};

use crate::{Metrics, WeightsVersion};

/// A part that a model or a program plays in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Draws completions from the policy.
    Actor,
    /// Updates the policy.
    Learner,
    /// A frozen copy of the policy that the KL is taken to.
    Reference,
    /// Estimates values.
    Critic,
    /// Judges answers.
    Reward,
    /// A model that judges answers.
    Judge,
    /// A model that is imitated.
    Teacher,
}

/// The shape of a run, as the command line resolves it from the algorithm's needs and the recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowPlan {
    /// Which roles take part.
    pub roles: Vec<Role>,
    /// How many flow steps the run has.
    pub steps: u64,
    /// P: prompts of a step, or rows of given data.
    pub prompts_per_step: usize,
    /// G: completions of a prompt.
    pub group_size: usize,
    /// Rows decoded at once.
    pub slots: usize,
    /// Whether groups whose scores are all equal are dropped and others drawn in their place (DAPO's dynamic sampling).
    pub drop_groups_without_spread: bool,
    /// How many refills of a step are tried before it goes on with the groups it has.
    pub max_refills: u32,
    /// How many published versions old a rollout may be when it is trained on, one a flow step; 0 is on-policy.
    pub max_staleness: u64,
    /// Held-out evaluation before the first step, every so many steps, and at the end; 0 = never.
    pub eval_every: u64,
    /// A checkpoint every so many steps and at the end; 0 = at the end only.
    pub save_every: u64,
    /// One block of a batch is recomputed by the packed forward every so many steps, to measure the mismatch; 0 = never.
    pub check_every: u64,
}

impl FlowPlan {
    /// Whether the run learns from given data: nobody draws answers.
    #[must_use]
    pub fn is_given(&self) -> bool {
        !self.roles.contains(&Role::Actor)
    }
}

/// What an update reports.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StepReport {
    /// The flow step.
    pub step: u64,
    /// The version after it.
    pub version: WeightsVersion,
    /// Optimizer updates that were skipped because the loss or a gradient was not finite.
    pub skipped: u64,
    /// Optimizer updates that were made.
    pub updates: u64,
    /// Everything the loss, the optimizer and the learner measured.
    pub metrics: Metrics,
}
