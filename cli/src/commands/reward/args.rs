//! The grammar of `collimate reward`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `collimate reward`.
#[derive(Debug, Subcommand)]
pub enum Reward {
    /// Write a crate with a reward that builds and passes its own tests.
    New {
        /// The crate's name: a folder of this name is made here.
        name: String,
        /// The folder of the SDK; by default that of the checkout which this program was built from.
        #[arg(long, value_name = "PATH", conflicts_with = "sdk_version")]
        sdk: Option<PathBuf>,
        /// Depend on this published version of the SDK instead of a folder.
        #[arg(long, value_name = "VERSION")]
        sdk_version: Option<String>,
    },
    /// Judge golden cases, each twice: what is not as wanted, what changes, how long it takes.
    Test {
        /// The reward and its settings.
        #[command(flatten)]
        reward: OneReward,
        /// The cases, a JSON object a line: `{"prompt", "truth", "answer", "score"}`, `"fault": "unscorable"` instead of a score, or
        /// `answers` with `scores`.
        file: PathBuf,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Judge answers that no author thinks of (empty, huge, odd Unicode, half a formula): what panics, dies, hangs or leaves its range.
    Fuzz {
        /// The reward and its settings.
        #[command(flatten)]
        reward: OneReward,
        /// How many answers.
        #[arg(long, default_value_t = 300)]
        answers: usize,
        /// The seed of those that chance puts together.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The truth that all are judged against, JSON or text.
        #[arg(long, default_value = r#"{"answer": "42"}"#)]
        truth: String,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Measure calls a second and the time of one call.
    Bench {
        /// The reward and its settings.
        #[command(flatten)]
        reward: OneReward,
        /// Answers to judge.
        #[arg(long, default_value_t = 2048)]
        calls: usize,
        /// Bytes of each answer.
        #[arg(long, default_value_t = 1024)]
        bytes: usize,
        /// Cases whose prompts and answers are used, in turn, instead of made-up text.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// A reward outside of a recipe.
#[derive(Debug, Clone, Args)]
pub struct OneReward {
    /// A program (a path; with arguments, in quotes), an address `http://…`, or the name of a built-in reward.
    #[arg(value_name = "REWARD")]
    pub word: String,
    /// A key of its `[[reward]]` table, such as `config.word=please` or `deadline_s=2`; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}
