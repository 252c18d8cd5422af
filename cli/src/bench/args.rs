//! The grammar of the benchmarks of learning: from given data, and by PPO.

use std::path::PathBuf;

use clap::Args;

/// `collimate bench sft`, `dpo` and `reward`.
#[derive(Debug, Clone, Args)]
pub struct BenchGivenArgs {
    /// A Hugging Face directory or a GGUF file.
    #[arg(long, value_name = "PATH")]
    pub model: PathBuf,
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
    /// Measured steps; one more before them is a warm-up.
    #[arg(long, default_value_t = 5)]
    pub steps: usize,
    /// Tokens of a forward and backward pass at most.
    #[arg(long, default_value_t = 4096)]
    pub micro_tokens: usize,
    /// Megabytes for kept activations; 0 = as many as are needed.
    #[arg(long, default_value_t = 0)]
    pub tape_mb: usize,
    /// Threads.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Write the spans of the run here, for chrome://tracing or Perfetto.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Print JSON only.
    #[arg(long)]
    pub json: bool,
}

/// `collimate bench ppo`.
#[derive(Debug, Clone, Args)]
pub struct BenchPpoArgs {
    /// A Hugging Face directory or a GGUF file.
    #[arg(long, value_name = "PATH")]
    pub model: PathBuf,
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
    /// Measured steps; one more before them is a warm-up.
    #[arg(long, default_value_t = 5)]
    pub steps: usize,
    /// Tokens of a forward and backward pass at most.
    #[arg(long, default_value_t = 4096)]
    pub micro_tokens: usize,
    /// Megabytes for kept activations; 0 = as many as are needed.
    #[arg(long, default_value_t = 0)]
    pub tape_mb: usize,
    /// Threads.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Write the spans of the run here, for chrome://tracing or Perfetto.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Print JSON only.
    #[arg(long)]
    pub json: bool,
}
