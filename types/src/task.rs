//! What is asked: a row of the data, and the same row ready for the policy.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Message, TokenId};

/// One question of the data set, with what a reward needs to judge an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Stable within the data set: a hash of the content or the row's own id, never the row's position.
    pub id: String,
    /// Plain text to be continued, or a conversation to be answered. Exactly one of the two is given.
    pub text: Option<String>,
    /// The conversation; empty if `text` is given.
    pub messages: Vec<Message>,
    /// What the verifier compares with: the answer, or all further fields of the row.
    pub truth: serde_json::Value,
    /// The name of the reward for this row, if the data say so; otherwise the recipe's.
    pub reward: Option<String>,
}

/// A task rendered and tokenised for one policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prompt {
    /// Where it came from.
    pub task: Arc<Task>,
    /// The text after the chat template.
    pub text: String,
    /// Its token ids, never empty.
    pub tokens: Vec<TokenId>,
}
