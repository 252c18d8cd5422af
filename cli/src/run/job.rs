//! A run, resolved: everything the driver needs, every value concrete.

use std::path::PathBuf;
use std::sync::Arc;

use collimate_algorithms::{Algorithm, Card};
use collimate_datasets::Split;
use collimate_learners::LearnerConfig;
use collimate_models::LoraConfig;
use collimate_rewards::RewardSet;
use collimate_types::{FlowPlan, Sampling, Seed};

use super::critic::CriticJob;
use super::given::Given;

/// A run, resolved.
pub struct Job {
    /// The shape of the run.
    pub plan: FlowPlan,
    /// The run's seed.
    pub seed: Seed,
    /// Threads of the engine.
    pub threads: usize,
    /// How completions are drawn in training, if they are.
    pub sampling: Arc<Sampling>,
    /// How many held-out rows are measured on at an evaluation.
    pub eval_rows: usize,
    /// How a batch is learnt from.
    pub learner: LearnerConfig,
    /// The adapters, if only they are trained.
    pub lora: Option<LoraConfig>,
    /// Bytes for activations that are kept for the backward pass.
    pub tape_bytes: usize,
    /// Whether epochs are shuffled.
    pub shuffle: bool,
    /// Checkpoints kept besides the best.
    pub keep: usize,
    /// Completions written to `rollouts/` each step.
    pub log_rollouts: usize,
    /// Whether TensorBoard files are written.
    pub tensorboard: bool,
    /// Where the run lives.
    pub files: RunFiles,
    /// What is learnt, from what.
    pub(crate) part: Part,
}

/// What is learnt, from what.
pub(crate) enum Part {
    /// From answers that the policy draws.
    Online(Box<OnlineJob>),
    /// From given data.
    Given(Box<dyn Given>),
}

/// The part of a run that draws answers.
pub(crate) struct OnlineJob {
    /// The algorithm.
    pub algorithm: Box<dyn Algorithm>,
    /// How held-out questions are answered.
    pub eval_sampling: Arc<Sampling>,
    /// The critic, if the algorithm has one.
    pub critic: Option<CriticJob>,
    /// Whether the sampler's activations serve as the training forward.
    pub reuse: bool,
    /// The rewards.
    pub rewards: RewardSet,
    /// Groups that are judged at once.
    pub lanes: usize,
    /// Bytes of the weights of reward models.
    pub judge_bytes: u64,
    /// The data.
    pub split: Split,
    /// Largest share of infrastructure errors in the window.
    pub max_fault_share: f64,
}

impl Job {
    /// The card of the algorithm.
    #[must_use]
    pub fn card(&self) -> &'static Card {
        match &self.part {
            Part::Online(part) => part.algorithm.card(),
            Part::Given(part) => part.card(),
        }
    }

    /// What is known of the data.
    #[must_use]
    pub fn data(&self) -> DataFacts<'_> {
        match &self.part {
            Part::Online(part) => DataFacts::of(&part.split),
            Part::Given(part) => part.data(),
        }
    }
}

/// What is known of the data of a run, whatever their kind.
#[derive(Debug, Clone, Copy)]
pub struct DataFacts<'a> {
    /// The format that read the first rows.
    pub format: &'static str,
    /// Rows to learn from.
    pub train: usize,
    /// Rows to be measured on.
    pub heldout: usize,
    /// Held-out prompts that also stand in the training part.
    pub overlap: usize,
    /// Rows that were left out, and what is odd.
    pub counts: &'a collimate_datasets::Counts,
    /// Bad rows that were set aside.
    pub rejected: &'a [collimate_datasets::Rejected],
}

impl<'a> DataFacts<'a> {
    /// The facts of a split.
    pub(super) fn of<T: collimate_datasets::Item>(split: &'a Split<T>) -> Self {
        let (train, heldout) = (split.train.len(), split.heldout.len());
        Self { format: split.format, train, heldout, overlap: split.overlap, counts: &split.counts, rejected: &split.rejected }
    }
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
