//! The grammar of the benchmarks of a model.

use std::path::PathBuf;

use clap::Args;

/// What every benchmark of a model takes.
#[derive(Debug, Clone, Args)]
pub struct BenchModelArgs {
    /// A Hugging Face directory or a GGUF file.
    #[arg(long, value_name = "PATH")]
    pub model: PathBuf,
    /// Threads; 0 = all.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Write the spans of the run here, for chrome://tracing or Perfetto.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Print JSON only.
    #[arg(long)]
    pub json: bool,
}

/// What every benchmark of learning takes.
#[derive(Debug, Clone, Args)]
pub struct BenchLearningArgs {
    /// Measured steps; one more before them is a warm-up.
    #[arg(long, default_value_t = 5)]
    pub steps: usize,
    /// Tokens of a forward and backward pass at most.
    #[arg(long, default_value_t = 4096)]
    pub micro_tokens: usize,
    /// Megabytes for kept activations; 0 = as many as are needed.
    #[arg(long, default_value_t = 0)]
    pub tape_mb: usize,
}

/// `collimate bench sft`, `dpo` and `reward`.
#[derive(Debug, Clone, Args)]
pub struct BenchGivenArgs {
    /// What all take.
    #[command(flatten)]
    pub on: BenchModelArgs,
    /// What all benchmarks of learning take.
    #[command(flatten)]
    pub learning: BenchLearningArgs,
    /// HH-RLHF dialogues, or for sft GSM8K rows (JSONL), taken in file order.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Rows of a step: pairs, or for sft rows of text.
    #[arg(long, alias = "pairs", default_value_t = 8)]
    pub rows: usize,
    /// Tokens of each row of text (sft).
    #[arg(long, default_value_t = 256)]
    pub length: usize,
    /// Ask the reference at every step instead of once before the first (dpo).
    #[arg(long)]
    pub no_ref_cache: bool,
}

/// `collimate bench grpo`.
#[derive(Debug, Clone, Args)]
pub struct BenchGrpoArgs {
    /// What all take.
    #[command(flatten)]
    pub on: BenchModelArgs,
    /// What all benchmarks of learning take.
    #[command(flatten)]
    pub learning: BenchLearningArgs,
    /// GSM8K questions (JSONL), taken in file order.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Prompts of a step.
    #[arg(long, default_value_t = 4)]
    pub prompts: usize,
    /// Completions of a prompt.
    #[arg(long, default_value_t = 8)]
    pub group: usize,
    /// Tokens of each completion.
    #[arg(long, default_value_t = 64)]
    pub new_tokens: usize,
    /// Compute the training forward anew instead of taking the sampler's activations.
    #[arg(long)]
    pub no_reuse: bool,
    /// Train adapters of this rank on every projection instead of the weights; 0 = none.
    #[arg(long, value_name = "RANK", default_value_t = 0)]
    pub lora: usize,
}

/// `collimate bench ppo`.
#[derive(Debug, Clone, Args)]
pub struct BenchPpoArgs {
    /// What all take.
    #[command(flatten)]
    pub on: BenchModelArgs,
    /// What all benchmarks of learning take.
    #[command(flatten)]
    pub learning: BenchLearningArgs,
    /// GSM8K questions (JSONL), taken in file order.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Prompts of a step.
    #[arg(long, default_value_t = 8)]
    pub prompts: usize,
    /// Completions of a prompt.
    #[arg(long, default_value_t = 1)]
    pub group: usize,
    /// Tokens of each completion.
    #[arg(long, default_value_t = 64)]
    pub new_tokens: usize,
}

/// `collimate bench rollout`.
#[derive(Debug, Clone, Args)]
pub struct BenchRolloutArgs {
    /// What all take.
    #[command(flatten)]
    pub on: BenchModelArgs,
    /// GSM8K questions (JSONL), taken in file order.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Batch sizes.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32")]
    pub batch: Vec<usize>,
    /// Tokens of each prompt.
    #[arg(long, default_value_t = 64)]
    pub prompt: usize,
    /// Tokens of each completion.
    #[arg(long, default_value_t = 64)]
    pub new_tokens: usize,
    /// Measured repetitions; the median counts.
    #[arg(long, default_value_t = 5)]
    pub repeats: usize,
}
