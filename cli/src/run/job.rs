//! A run, resolved: everything the driver needs, every value concrete.

use std::path::PathBuf;
use std::sync::Arc;

use collimate_algorithms::Algorithm;
use collimate_datasets::Split;
use collimate_learners::LearnerConfig;
use collimate_models::LoraConfig;
use collimate_rewards::RewardSet;
use collimate_types::{FlowPlan, Sampling, Seed};

/// A run, resolved.
pub struct Job {
    /// The shape of the run.
    pub plan: FlowPlan,
    /// The run's seed.
    pub seed: Seed,
    /// Threads of the engine.
    pub threads: usize,
    /// How completions are drawn in training.
    pub sampling: Arc<Sampling>,
    /// How held-out questions are answered.
    pub eval_sampling: Arc<Sampling>,
    /// How many held-out questions are asked at an evaluation.
    pub eval_rows: usize,
    /// The algorithm.
    pub algorithm: Box<dyn Algorithm>,
    /// How a batch is learnt from.
    pub learner: LearnerConfig,
    /// The adapters, if only they are trained.
    pub lora: Option<LoraConfig>,
    /// Whether the sampler's activations serve as the training forward.
    pub reuse: bool,
    /// Bytes for activations that are kept for the backward pass.
    pub tape_bytes: usize,
    /// The rewards.
    pub rewards: RewardSet,
    /// Groups that are judged at once.
    pub lanes: usize,
    /// The data.
    pub split: Split,
    /// Whether epochs are shuffled.
    pub shuffle: bool,
    /// Largest share of infrastructure errors in the window.
    pub max_fault_share: f64,
    /// Checkpoints kept besides the best.
    pub keep: usize,
    /// Completions written to `rollouts/` each step.
    pub log_rollouts: usize,
    /// Whether TensorBoard files are written.
    pub tensorboard: bool,
    /// Where the run lives.
    pub files: RunFiles,
}

/// Names and records of a run.
#[derive(Debug, Clone)]
pub struct RunFiles {
    /// The folder of all runs.
    pub root: PathBuf,
    /// The run's name.
    pub name: String,
    /// The resolved configuration.
    pub config: String,
    /// Where the weights come from.
    pub model: PathBuf,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("plan", &self.plan).field("files", &self.files).finish_non_exhaustive()
    }
}
