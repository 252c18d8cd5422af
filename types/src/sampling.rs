//! How completions are drawn.

use serde::{Deserialize, Serialize};

/// How completions are drawn from the policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Divides the logits; 0 picks the most likely token.
    pub temperature: f64,
    /// Keep the k most likely tokens; 0 keeps all.
    pub top_k: usize,
    /// Keep the smallest set of most likely tokens whose probability reaches this; 1 keeps all.
    pub top_p: f64,
    /// Keep tokens with at least this share of the most likely token's probability; 0 keeps all.
    pub min_p: f64,
    /// Divides positive and multiplies negative logits of tokens already seen (Keskar et al. 2019, arXiv:1909.05858); 1 changes nothing.
    pub repetition_penalty: f64,
    /// Texts that end a completion; they may span tokens. The stop text itself is not part of the answer.
    pub stop: Vec<String>,
    /// The longest completion, in tokens.
    pub max_new_tokens: usize,
    /// Until so many tokens are drawn, the end-of-sequence tokens cannot be.
    pub min_new_tokens: usize,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            stop: Vec::new(),
            max_new_tokens: 256,
            min_new_tokens: 0,
        }
    }
}

/// A sampling setting that means nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{key}` = {value} is not possible: {wanted}")]
pub struct SamplingError {
    /// The setting.
    pub key: &'static str,
    /// What was given.
    pub value: String,
    /// What is allowed.
    pub wanted: &'static str,
}

impl Sampling {
    /// Whether the law that samples differs from the policy at its temperature: a filter cuts tokens off or a penalty shifts them.
    #[must_use]
    pub fn truncates(&self) -> bool {
        self.top_k > 0 || self.top_p < 1.0 || self.min_p > 0.0 || (self.repetition_penalty - 1.0).abs() > f64::EPSILON
    }

    /// Whether the most likely token is taken.
    #[must_use]
    pub fn greedy(&self) -> bool {
        self.temperature == 0.0
    }

    /// The temperature log-probabilities of the policy are taken at: greedy drawing has none, so 1.
    #[must_use]
    pub fn policy_temperature(&self) -> f64 {
        if self.greedy() { 1.0 } else { self.temperature }
    }

    /// Every setting that means nothing, in the order of the fields.
    ///
    /// # Errors
    /// One entry per impossible value.
    pub fn check(&self) -> Result<(), Vec<SamplingError>> {
        let mut faults = Vec::new();
        let mut want = |good: bool, key, value: String, wanted| {
            if !good {
                faults.push(SamplingError { key, value, wanted });
            }
        };
        want(self.temperature.is_finite() && self.temperature >= 0.0, "temperature", self.temperature.to_string(), "0 (greedy) or more");
        want(self.top_p > 0.0 && self.top_p <= 1.0, "top_p", self.top_p.to_string(), "more than 0 and at most 1");
        want((0.0..=1.0).contains(&self.min_p), "min_p", self.min_p.to_string(), "0 to 1");
        let penalty = self.repetition_penalty;
        want(penalty.is_finite() && penalty > 0.0, "repetition_penalty", penalty.to_string(), "more than 0 (1 changes nothing)");
        want(self.stop.iter().all(|s| !s.is_empty()), "stop", "\"\"".into(), "texts that are not empty");
        want(self.max_new_tokens > 0, "max_new_tokens", self.max_new_tokens.to_string(), "1 or more");
        let min = self.min_new_tokens;
        want(min <= self.max_new_tokens, "min_new_tokens", min.to_string(), "at most max_new_tokens");
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_named_in_one_pass() {
        let bad = Sampling { temperature: -1.0, top_p: 0.0, min_new_tokens: 300, ..Sampling::default() };
        let keys: Vec<_> = bad.check().unwrap_err().iter().map(|f| f.key).collect();
        assert_eq!(keys, ["temperature", "top_p", "min_new_tokens"]);
    }

    #[test]
    fn the_default_law_is_the_policy_itself() {
        assert!(Sampling::default().check().is_ok());
        assert!(!Sampling::default().truncates());
    }
}
