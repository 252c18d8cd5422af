//! The grammar of `collimate eval`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::args::RecipeArgs;

/// `collimate eval`.
#[derive(Debug, Subcommand)]
pub enum Eval {
    /// Questions with known answers: accuracy, pass@k, consensus@k, best of k.
    Task(EvalTaskArgs),
    /// Pairs of answers of which people preferred one: how often a score agrees with them.
    Preference(EvalPreferenceArgs),
    /// The answers of two models before a judge, in both orders.
    Winrate(EvalWinrateArgs),
    /// Perplexity of texts.
    Perplexity(EvalPerplexityArgs),
}

/// What every evaluation has.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Print the result as one line of JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the result is kept as JSON: `evaluations` in the run that the model belongs to, else `runs/evaluations`.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The seed of everything that is drawn: answers, intervals.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// `collimate eval task`.
#[derive(Debug, Clone, Args)]
pub struct EvalTaskArgs {
    /// The recipe whose data, prompt, rewards and sampling are used.
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// The model to measure instead of `model.path`: a checkpoint, a Hugging Face directory or a GGUF file.
    #[arg(long, value_name = "PATH")]
    pub model: Option<PathBuf>,
    /// How many held-out questions; all by default.
    #[arg(long)]
    pub rows: Option<usize>,
    /// Answers to each question. With more than one, `eval.temperature` should be above 0.
    #[arg(long, default_value_t = 1)]
    pub samples: usize,
    /// The numbers of answers at which pass@k, consensus@k and best of k are told; by default 1, 2, 4, ... and all.
    #[arg(long, value_delimiter = ',', value_name = "K")]
    pub at: Vec<usize>,
    /// Where the result is kept as JSON: `evaluations` in the run that the model belongs to, else in `run.dir`.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// What gives an answer its score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScorerKind {
    /// The model's log-probability of the answer.
    Logp,
    /// The implicit reward of DPO: how much more probable than under the reference, times beta.
    Implicit,
    /// What the model says as a reward model.
    Reward,
}

/// `collimate eval preference`.
#[derive(Debug, Clone, Args)]
pub struct EvalPreferenceArgs {
    /// A checkpoint, a run, a Hugging Face directory or a GGUF file.
    #[arg(long, value_name = "PATH")]
    pub model: PathBuf,
    /// The pairs: a file or a folder of any container that training reads.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Their format; found out by default.
    #[arg(long, default_value = "auto")]
    pub format: String,
    /// What gives an answer its score; by default `reward` if the model is a reward model, else `logp`.
    #[arg(long, value_enum)]
    pub scorer: Option<ScorerKind>,
    /// The reference model of the implicit reward.
    #[arg(long, value_name = "PATH", required_if_eq("scorer", "implicit"))]
    pub reference: Option<PathBuf>,
    /// What the implicit reward multiplies the log ratio with: the beta of the training.
    #[arg(long, default_value_t = 0.1)]
    pub beta: f64,
    /// Score the mean log-probability of a token instead of the sum: long answers are then not less probable.
    #[arg(long)]
    pub per_token: bool,
    /// How many pairs, from the beginning of the file; all by default.
    #[arg(long)]
    pub rows: Option<usize>,
    /// Tokens of a forward pass at most; one pair may be longer.
    #[arg(long, default_value_t = 4096)]
    pub micro_tokens: usize,
    /// Threads; all cores by default.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `collimate eval winrate`.
#[derive(Debug, Clone, Args)]
pub struct EvalWinrateArgs {
    /// Model A, or its answers as `collimate generate --json` writes them (a `.jsonl` file).
    #[arg(long, value_name = "PATH")]
    pub a: PathBuf,
    /// Model B, or its answers.
    #[arg(long, value_name = "PATH")]
    pub b: PathBuf,
    /// The prompts, with what a reward compares with: a file or a folder of any container that training reads.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Their format; found out by default.
    #[arg(long, default_value = "auto")]
    pub format: String,
    /// How many prompts, from the beginning of the file; all by default.
    #[arg(long)]
    pub rows: Option<usize>,
    /// A reward as the judge: the answer with the higher score is preferred (`collimate rewards` lists them). A directory is a reward
    /// model.
    #[arg(long, value_name = "REWARD", required_unless_present = "judge", conflicts_with = "judge")]
    pub reward: Option<String>,
    /// The base URL of an OpenAI-compatible endpoint as the judge, such as `http://127.0.0.1:8000/v1`.
    #[arg(long, value_name = "URL", requires = "judge_model")]
    pub judge: Option<String>,
    /// The model that the endpoint is asked for.
    #[arg(long, value_name = "NAME")]
    pub judge_model: Option<String>,
    /// The environment variable that holds the endpoint's key.
    #[arg(long, value_name = "VARIABLE")]
    pub judge_key: Option<String>,
    /// Questions that the endpoint is asked at once.
    #[arg(long, default_value_t = 8)]
    pub judge_threads: usize,
    /// Seconds that the endpoint has for an answer.
    #[arg(long, default_value_t = 120)]
    pub judge_timeout_s: u64,
    /// 0 picks the most likely token.
    #[arg(long, default_value_t = 0.0)]
    pub temperature: f64,
    /// The longest answer in tokens.
    #[arg(long, default_value_t = 256)]
    pub max_new_tokens: usize,
    /// Rows decoded at once.
    #[arg(long, default_value_t = 32)]
    pub slots: usize,
    /// Threads; all cores by default.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `collimate eval perplexity`.
#[derive(Debug, Clone, Args)]
pub struct EvalPerplexityArgs {
    /// A checkpoint, a run, a Hugging Face directory or a GGUF file.
    #[arg(long, value_name = "PATH")]
    pub model: PathBuf,
    /// The texts: a `.txt` file, which is one text, or a file or a folder of any container that training reads.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Their format; found out by default.
    #[arg(long, default_value = "auto")]
    pub format: String,
    /// The column that holds the text, if it is not called `text`.
    #[arg(long, value_name = "COLUMN")]
    pub field: Option<String>,
    /// How many texts, from the beginning of the file; all by default.
    #[arg(long)]
    pub rows: Option<usize>,
    /// Tokens that the model sees at once; by default its whole context, 2048 at most.
    #[arg(long)]
    pub window: Option<usize>,
    /// How far the window moves: each token is scored once, with at least window - stride tokens before it, where there are so many. By
    /// default half a window.
    #[arg(long)]
    pub stride: Option<usize>,
    /// Threads; all cores by default.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}
