//! Hop 6: rollouts whose tokens carry credit, ready to be packed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Metrics, Prompt, TokenId, WeightsVersion};

/// One completion with its credit. All vectors are `[T]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreditedRow {
    /// The completion.
    pub tokens: Vec<TokenId>,
    /// Which tokens take part in the loss.
    pub trained: Vec<bool>,
    /// Log-probability of each token under the policy that sampled, in nats.
    pub logp_old: Vec<f32>,
    /// Log-probability of each token under the reference, if the algorithm needs it.
    pub logp_ref: Option<Vec<f32>>,
    /// Log-probability of each token under the law that drew, where it is not the policy that sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logp_behaviour: Option<Vec<f32>>,
    /// How much better than expected each token was.
    pub advantage: Vec<f32>,
    /// What a critic learns of it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critic: Option<CriticRow>,
    /// The weights that drew it.
    pub version: WeightsVersion,
}

/// What a critic said of a completion's states and what it should have said. Both vectors are `[T]`, of the state before each token.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CriticRow {
    /// Its values when the batch was credited.
    pub values: Vec<f32>,
    /// What it is to learn.
    pub returns: Vec<f32>,
}

/// The completions of one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreditedGroup {
    /// What was asked.
    pub prompt: Arc<Prompt>,
    /// At least one completion.
    pub rows: Vec<CreditedRow>,
}

/// Everything one update of the policy learns from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CreditedBatch {
    /// In the order of the requests.
    pub groups: Vec<CreditedGroup>,
    /// The temperature the completions were drawn at: log-probabilities are taken at the same one.
    pub temperature: f64,
    /// What was measured while credit was given: the KL in the reward and its weight, the critic's explained variance.
    #[serde(default)]
    pub metrics: Metrics,
}

impl CreditedBatch {
    /// B: how many completions.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.groups.iter().map(|g| g.rows.len()).sum()
    }

    /// How many tokens take part in the loss.
    #[must_use]
    pub fn trained_tokens(&self) -> usize {
        self.groups.iter().flat_map(|g| &g.rows).map(|r| r.trained.iter().filter(|t| **t).count()).sum()
    }
}
