//! The grammar of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use crate::bench::args::{BenchGivenArgs, BenchGrpoArgs, BenchLearningArgs, BenchModelArgs, BenchPpoArgs, BenchRolloutArgs};
pub use crate::commands::reward::args::{OneReward, Reward};
pub use crate::eval::args::{Eval, EvalPerplexityArgs, EvalPreferenceArgs, EvalTaskArgs, EvalWinrateArgs, OutputArgs, ScorerKind};

/// Align language models by reinforcement learning: one binary, no Python.
#[derive(Debug, Parser)]
#[command(name = "collimate", version, max_term_width = 120, arg_required_else_help = true, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a recipe and print what would run: batch arithmetic, memory, data, rewards. Writes nothing.
    Plan(RecipeArgs),
    /// Train by a recipe.
    Train(TrainArgs),
    /// Measure a model.
    #[command(subcommand)]
    Eval(Eval),
    /// Show runs and evaluations as one HTML file.
    Report(ReportArgs),
    /// Answer prompts.
    Generate(GenerateArgs),
    /// Measure speed, beside the machine's own ceilings.
    #[command(subcommand)]
    Bench(Bench),
    /// List the algorithms, or show one.
    Algorithms(CardArgs),
    /// List the rewards, or show one.
    Rewards(CardArgs),
    /// Write a reward of your own, and try it.
    #[command(subcommand)]
    Reward(Reward),
    /// List the data formats, or show one.
    Formats(CardArgs),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(Config),
    /// Look at checkpoints, check and export them.
    #[command(subcommand)]
    Ckpt(Ckpt),
    /// Look at data files.
    #[command(subcommand)]
    Data(Data),
    /// Look at this machine: LibTorch, threads, memory, disk, limits, devices, what is built in.
    Doctor(DoctorArgs),
    /// Run the exact checks again on this machine: losses and gradients, sampler against learner, resume. Needs no file; under a minute.
    Selftest(SelftestArgs),
    /// Teach a small model arithmetic and show it: what `cargo xtask demo` runs.
    Demo(DemoArgs),
}

/// A recipe with its changes.
#[derive(Debug, Clone, Args)]
pub struct RecipeArgs {
    /// Recipe files (TOML), composed left to right, and `key=value` changes, which win.
    #[arg(required = true, value_name = "RECIPE.toml | key=value")]
    pub parts: Vec<String>,
    /// Print data as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `collimate train`.
#[derive(Debug, Clone, Args)]
pub struct TrainArgs {
    /// The recipe.
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Go on with the run of this name from its newest good checkpoint.
    #[arg(long, conflicts_with_all = ["init_from", "dry_run"])]
    pub resume: bool,
    /// Start from the weights of a checkpoint, a Hugging Face directory, a GGUF file or an adapter instead of `model.path`.
    #[arg(long, value_name = "PATH")]
    pub init_from: Option<PathBuf>,
    /// Check everything and print the plan; train nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `collimate report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// Run directories, and directories of evaluations.
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// The file to write; `report.html` in the first directory by default.
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `collimate generate`.
#[derive(Debug, Clone, Args)]
pub struct GenerateArgs {
    /// A checkpoint, a Hugging Face directory, a GGUF file, or an adapter that names its base.
    #[arg(long, value_name = "PATH")]
    pub model: PathBuf,
    /// A directory with an adapter in PEFT's layout, to be put on the model.
    #[arg(long, value_name = "DIR")]
    pub adapter: Option<PathBuf>,
    /// A prompt; give it several times for several answers. Without one, standard input is read.
    #[arg(long, short, value_name = "TEXT")]
    pub prompt: Vec<String>,
    /// A file of prompts: JSONL with `prompt` or `messages`, else one prompt a line. `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub file: Option<PathBuf>,
    /// Continue the text as it stands instead of asking it through the chat template.
    #[arg(long)]
    pub raw: bool,
    /// A system message before each prompt.
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    pub system: Option<String>,
    /// How many answers to each prompt.
    #[arg(long, short = 'n', default_value_t = 1)]
    pub group: usize,
    /// Rows decoded at once.
    #[arg(long, default_value_t = 32)]
    pub slots: usize,
    /// 0 picks the most likely token.
    #[arg(long, default_value_t = 0.0)]
    pub temperature: f64,
    /// Keep the k most likely tokens; 0 keeps all.
    #[arg(long, default_value_t = 0)]
    pub top_k: usize,
    /// Keep the most likely tokens up to this probability.
    #[arg(long, default_value_t = 1.0)]
    pub top_p: f64,
    /// Keep tokens with at least this share of the most likely one's probability.
    #[arg(long, default_value_t = 0.0)]
    pub min_p: f64,
    /// Make tokens already seen less likely; 1 changes nothing.
    #[arg(long, default_value_t = 1.0)]
    pub repetition_penalty: f64,
    /// A text that ends an answer; may be given several times.
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,
    /// The longest answer in tokens.
    #[arg(long, default_value_t = 256)]
    pub max_new_tokens: usize,
    /// The shortest answer in tokens.
    #[arg(long, default_value_t = 0)]
    pub min_new_tokens: usize,
    /// The seed of the draws.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Threads; all cores by default.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// One JSON line an answer: text, tokens, log-probabilities, why it ended.
    #[arg(long)]
    pub json: bool,
}

/// `collimate bench`.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// GRPO steps on GSM8K questions: beta 0, temperature 1, no end of sequence.
    Grpo(BenchGrpoArgs),
    /// Whole steps of supervised tuning on rows of GSM8K text.
    Sft(BenchGivenArgs),
    /// Whole steps of DPO on pairs of HH-RLHF.
    Dpo(BenchGivenArgs),
    /// Whole steps of a reward model on pairs of HH-RLHF.
    Reward(BenchGivenArgs),
    /// Whole steps of PPO on GSM8K questions: policy, reference, critic and reward model of one size.
    Ppo(BenchPpoArgs),
    /// Prefill and decoding speed on distinct prompts.
    Rollout(BenchRolloutArgs),
    /// What a reward in a program of its own costs, beside a bare socket that echoes the same frames.
    RewardPlugin(BenchPluginArgs),
    /// The other end of `bench reward-plugin`.
    #[command(hide = true)]
    RewardPluginEnd {
        /// Send every frame back instead of judging.
        #[arg(long)]
        echo: bool,
    },
}

/// `collimate bench reward-plugin`.
#[derive(Debug, Clone, Args)]
pub struct BenchPluginArgs {
    /// Answers, in groups of eight.
    #[arg(long, default_value_t = 8192)]
    pub answers: usize,
    /// Bytes of each answer.
    #[arg(long, default_value_t = 1024)]
    pub bytes: usize,
    /// Batch sizes.
    #[arg(long, value_delimiter = ',', default_value = "16,64,256")]
    pub batch: Vec<usize>,
    /// Batches under way at once.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4")]
    pub pipeline: Vec<usize>,
    /// Measured repetitions; the median counts.
    #[arg(long, default_value_t = 5)]
    pub repeats: usize,
    /// Print JSON only.
    #[arg(long)]
    pub json: bool,
}

/// A listing of cards.
#[derive(Debug, Clone, Args)]
pub struct CardArgs {
    /// Show this one whole.
    pub name: Option<String>,
    /// Print as JSON.
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print as Markdown, as in docs/.
    #[arg(long)]
    pub markdown: bool,
}

/// `collimate config`.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print the resolved configuration of a recipe.
    Show {
        /// The recipe.
        #[command(flatten)]
        recipe: RecipeArgs,
        /// Say behind each line where the value comes from.
        #[arg(long)]
        origin: bool,
    },
    /// Explain a key: what it does, its default, its value in a recipe.
    Explain {
        /// The key, such as `learner.lr`.
        key: String,
        /// Recipe files and changes.
        parts: Vec<String>,
    },
    /// Print the JSON schema of recipes, for editors.
    Schema,
}

/// `collimate ckpt`.
#[derive(Debug, Subcommand)]
pub enum Ckpt {
    /// List the checkpoints of a run.
    Ls {
        /// The run directory.
        run: PathBuf,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check every file of a checkpoint, or of all checkpoints of a run, against its manifest.
    Verify {
        /// A checkpoint or a run directory.
        path: PathBuf,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the model of a checkpoint, a Hugging Face directory or a GGUF file as a Hugging Face directory; an adapter as PEFT's layout.
    Export {
        /// What to read.
        source: PathBuf,
        /// The directory to write; it must not exist.
        dir: PathBuf,
        /// Make an adapter a part of its base model's weights and write the whole model.
        #[arg(long)]
        merge: bool,
    },
}

/// `collimate data`.
#[derive(Debug, Subcommand)]
pub enum Data {
    /// Find every problem, with file, line and column.
    Check {
        /// What to look at.
        #[command(flatten)]
        source: DataArgs,
        /// Where bad rows go that `--bad-rows=skip` sets aside; `FILE.rejects.jsonl` by default.
        #[arg(long, value_name = "FILE")]
        rejects: Option<PathBuf>,
    },
    /// Count: lengths, repeated rows, balance of labels, whether the preferred side is simply the longer one.
    Stats {
        /// What to look at.
        #[command(flatten)]
        source: DataArgs,
        /// A model whose tokenizer counts the lengths; characters are counted without one.
        #[arg(long, value_name = "PATH")]
        model: Option<PathBuf>,
        /// A length above which rows would be cut, to be told how many they are.
        #[arg(long, value_name = "N")]
        max_length: Option<u64>,
    },
    /// Show the first examples as a run would see them.
    Preview {
        /// What to look at.
        #[command(flatten)]
        source: DataArgs,
        /// How many.
        #[arg(long, short = 'n', default_value_t = 3)]
        rows: usize,
        /// A model whose chat template renders the prompts and whose tokenizer counts them.
        #[arg(long, value_name = "PATH")]
        model: Option<PathBuf>,
    },
    /// Write the examples in the published shapes as JSON lines; `.gz` and `.zst` compress.
    Convert {
        /// What to read.
        #[command(flatten)]
        source: DataArgs,
        /// The file to write; it must not exist.
        #[arg(value_name = "OUT")]
        out: PathBuf,
    },
}

/// Data to be looked at.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// A file, a folder, a pattern, a Hugging Face data-set folder, or hub:OWNER/NAME.
    #[arg(value_name = "DATA")]
    pub file: PathBuf,
    /// Its format (`collimate formats` lists them); found out by default.
    #[arg(long, default_value = "auto")]
    pub format: String,
    /// What becomes of bad rows: strict, or skip.
    #[arg(long, value_name = "strict|skip")]
    pub bad_rows: Option<String>,
    /// Any key of the section `[data]` of a recipe, without `data.`: `shp.min_score_ratio=2`, `columns.question=problem`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `collimate doctor`.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// A folder whose disk is looked at: the one that runs will lie in.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Print as JSON, for a report of a fault.
    #[arg(long)]
    pub json: bool,
}

/// `collimate selftest`.
#[derive(Debug, Clone, Args)]
pub struct SelftestArgs {
    /// Threads; all cores by default.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Print as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `collimate demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// The model to teach.
    #[arg(long, value_name = "PATH")]
    pub model: PathBuf,
    /// The seed of the run.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Train anew under a new name, even if this demo was finished before.
    #[arg(long)]
    pub again: bool,
    /// Changes to the recipe, `key=value`.
    #[arg(value_name = "key=value")]
    pub changes: Vec<String>,
}
