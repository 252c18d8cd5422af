//! A recipe with every key set.

use collimate_datasets::DataConfig;
use collimate_models::LoraConfig;
use collimate_rewards::RewardSpec;
use collimate_types::Sampling;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::sections::{
    CheckpointSection, CriticSection, EvalSection, LearnerSection, LogSection, LoraSection, ModelSection, RewardPolicySection,
    RolloutSection, RunSection, SamplingSection,
};

/// A recipe.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// `[run]`
    pub run: RunSection,
    /// `[model]`
    pub model: ModelSection,
    /// `[data]`
    pub data: DataConfig,
    /// `[sampling]`
    pub sampling: SamplingSection,
    /// `[rollout]`
    pub rollout: RolloutSection,
    /// `[algorithm]`
    pub algorithm: AlgorithmSection,
    /// `[reward_policy]`
    pub reward_policy: RewardPolicySection,
    /// `[learner]`
    pub learner: LearnerSection,
    /// `[lora]`
    pub lora: LoraSection,
    /// `[critic]`
    pub critic: CriticSection,
    /// `[eval]`
    pub eval: EvalSection,
    /// `[checkpoint]`
    pub checkpoint: CheckpointSection,
    /// `[log]`
    pub log: LogSection,
    /// `[[reward]]`
    pub reward: Vec<RewardSpec>,
}

/// `[algorithm]`: a name and the knobs of that algorithm, unread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct AlgorithmSection {
    /// The name of an algorithm.
    pub name: String,
    /// Its knobs.
    pub knobs: Map<String, Value>,
}

impl Default for AlgorithmSection {
    fn default() -> Self {
        Self { name: "grpo".into(), knobs: Map::new() }
    }
}

impl From<Map<String, Value>> for AlgorithmSection {
    fn from(mut knobs: Map<String, Value>) -> Self {
        let name = knobs.remove("name").and_then(|n| n.as_str().map(str::to_owned));
        Self { name: name.unwrap_or_else(|| Self::default().name), knobs }
    }
}

impl From<AlgorithmSection> for Map<String, Value> {
    fn from(section: AlgorithmSection) -> Self {
        let mut map = Self::from_iter([("name".to_owned(), Value::from(section.name))]);
        map.extend(section.knobs);
        map
    }
}

/// Rows decoded at once at most, where the recipe leaves it open.
const MOST_SLOTS: usize = 256;
/// Tokens of a forward and backward pass, where the recipe leaves it open.
const MICRO_TOKENS: usize = 4096;
/// What `learner.tape_mb` is where the machine does not tell how much memory is free.
const TAPE_MB: usize = 2048;

impl Recipe {
    /// Every value that is a question to the machine gets its answer, so that a resumed run does not ask again.
    #[must_use]
    pub fn resolve(mut self, cores: usize, free_memory: Option<u64>) -> Self {
        let open = |value: &mut usize, answer: usize| {
            if *value == 0 {
                *value = answer;
            }
        };
        open(&mut self.run.threads, cores);
        open(&mut self.rollout.slots, (self.rollout.prompts * self.rollout.group).min(MOST_SLOTS));
        open(&mut self.learner.micro_tokens, MICRO_TOKENS);
        open(&mut self.learner.tape_mb, free_memory.map_or(TAPE_MB, |free| (free >> 20) as usize * 2 / 5).max(1));
        open(&mut self.eval.max_new_tokens, self.sampling.max_new_tokens);
        if self.lora.alpha == 0.0 {
            self.lora.alpha = 2.0 * self.lora.rank as f64;
        }
        self
    }

    /// How completions are drawn in training.
    #[must_use]
    pub fn sampling(&self) -> Sampling {
        let s = &self.sampling;
        Sampling {
            temperature: s.temperature,
            top_k: s.top_k,
            top_p: s.top_p,
            min_p: s.min_p,
            repetition_penalty: s.repetition_penalty,
            stop: s.stop.clone(),
            max_new_tokens: s.max_new_tokens,
            min_new_tokens: s.min_new_tokens,
        }
    }

    /// The adapters that are trained, if it is adapters.
    #[must_use]
    pub fn lora(&self) -> Option<LoraConfig> {
        let l = &self.lora;
        (l.rank > 0).then(|| LoraConfig {
            rank: l.rank as i64,
            alpha: l.alpha,
            dropout: l.dropout,
            targets: l.targets.clone(),
            rslora: l.rslora,
        })
    }

    /// How held-out questions are answered.
    #[must_use]
    pub fn eval_sampling(&self) -> Sampling {
        let max_new_tokens = if self.eval.max_new_tokens == 0 { self.sampling.max_new_tokens } else { self.eval.max_new_tokens };
        Sampling { temperature: self.eval.temperature, stop: self.sampling.stop.clone(), max_new_tokens, ..Sampling::default() }
    }

    /// The recipe as TOML; read back it is the same.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // JSON has nulls and TOML has none: what is not set is left out.
        let value = serde_json::to_value(self).map(without_nulls).unwrap_or_default();
        toml::to_string(&value).unwrap_or_default()
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, without_nulls(v))).collect(),
        Value::Array(list) => list.into_iter().map(without_nulls).collect(),
        other => other,
    }
}
