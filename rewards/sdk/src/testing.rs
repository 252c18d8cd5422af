//! Small nouns for an author's unit tests.
//!
//! ```
//! use collimate_reward_sdk::{Answer, Prompt, testing};
//! let brief = |_: &Prompt, answer: &Answer<'_>| f64::from(answer.text.len() < 10);
//! assert_eq!(testing::score(&brief, serde_json::json!(null), "Yes."), Some(1.0));
//! ```

use std::sync::Arc;

use collimate_types::{Answer, Finish, Prompt, Reward, Rollout, RolloutGroup, Task, Verdict};
use serde_json::Value;

/// A prompt whose task has this truth.
#[must_use]
pub fn prompt(text: &str, truth: Value) -> Prompt {
    let task = Task { id: "test".into(), text: Some(text.into()), messages: Vec::new(), truth, reward: None };
    Prompt { task: Arc::new(task), text: text.into(), tokens: vec![0] }
}

/// Answers to one prompt. Each has one token a byte, as a byte tokenizer would give, and ended by itself.
#[must_use]
pub fn group(prompt: Prompt, answers: &[&str]) -> RolloutGroup {
    let rollout = |text: &&str| Rollout {
        tokens: text.bytes().map(u32::from).collect(),
        text: (*text).to_owned(),
        logp: Vec::new(),
        logp_behaviour: None,
        trained: Vec::new(),
        finish: Finish::Eos,
        versions: (0, 0),
    };
    RolloutGroup { prompt: Arc::new(prompt), rollouts: answers.iter().map(rollout).collect() }
}

/// What a reward says of one answer; its error is a verdict.
#[must_use]
pub fn judge(reward: &dyn Reward, truth: Value, answer: &str) -> Verdict {
    let tokens: Vec<u32> = answer.bytes().map(u32::from).collect();
    let answer = Answer { text: answer, tokens: &tokens, finish: &Finish::Eos };
    reward.score(&prompt("", truth), &answer).unwrap_or_else(|e| Verdict::Unscorable { reason: e.to_string() })
}

/// The total of one answer; none if it has no score.
#[must_use]
pub fn score(reward: &dyn Reward, truth: Value, answer: &str) -> Option<f64> {
    judge(reward, truth, answer).score().map(|s| s.total)
}
