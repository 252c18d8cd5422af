//! The protocol between the trainer and a plugin, version 1.
//!
//! The trainer starts the plugin in a process group of its own. The plugin finds a connected stream socket as its standard input: it reads from it **and writes to it**. Standard output and error are
//! the plugin's own; they go to a log. The environment variable `COLLIMATE_REWARD_PROTOCOL` says the trainer's version.
//!
//! 1. The plugin speaks first and says what it is ([`Hello`]).
//! 2. The trainer sends the settings ([`Init`]).
//! 3. The plugin says that it is ready, or why the settings are refused.
//! 4. The trainer sends units of work; the plugin answers each in order. A unit is an answer, or a whole group if the plugin asked for
//!    that. The trainer may send further units before the first is answered. It ends by closing the socket.
//!
//! There are two forms, told apart by the plugin's first byte:
//!
//! - **frames** ([`frame`]): the four bytes [`MAGIC`], then frames of a length, a kind and a payload; the SDK speaks them. Items and
//!   verdicts are binary ([`item`], [`verdict`]), what is said once is JSON.
//! - **JSON lines** ([`json`]): one JSON object a line, for every other language; the first byte is `{`.

pub mod frame;
pub mod item;
pub mod json;
pub mod verdict;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the protocol.
pub const PROTOCOL: u32 = 1;
/// What a plugin that speaks frames sends first.
pub const MAGIC: [u8; 4] = *b"CRP1";
/// The environment variable that holds the trainer's version of the protocol.
pub const PROTOCOL_VARIABLE: &str = "COLLIMATE_REWARD_PROTOCOL";
/// Bytes of a frame, or of a line, at most.
pub const CAP: usize = 64 << 20;

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of the protocol that it speaks.
    pub collimate_reward: u32,
    /// Its name in messages.
    pub name: String,
    /// Its own version.
    #[serde(default)]
    pub version: String,
    /// The least and the greatest score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Whether the same answer always gets the same score.
    #[serde(default)]
    pub deterministic: bool,
    /// Whether it wants all answers to a prompt at once.
    #[serde(default)]
    pub whole_groups: bool,
    /// The JSON schema of its settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

/// What the trainer answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Init {
    /// The `config` of the recipe, an object.
    pub config: Value,
    /// Seconds that one unit may take.
    pub deadline_s: f64,
}

/// Whether the settings are taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ready {
    /// They are.
    Ready(bool),
    /// They are not; why.
    Refused(String),
}

/// Bytes that are not what the protocol says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A frame of another kind, or no kind at all, where one is wanted.
    #[error("a frame of kind {found} came where {wanted} is possible")]
    Kind {
        /// The kind's byte.
        found: u8,
        /// What is possible.
        wanted: &'static str,
    },
    /// A frame or line that is longer than allowed.
    #[error("{length} bytes in one piece came, at most {cap} are taken")]
    TooLong {
        /// Its length, as far as known.
        length: usize,
        /// The most.
        cap: usize,
    },
    /// The payload ends too early.
    #[error("a payload ends in the middle of {what}, at byte {at}")]
    Short {
        /// What was being read.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// A byte that stands for nothing.
    #[error("{what} {found} at byte {at} stands for nothing")]
    Tag {
        /// What was being read.
        what: &'static str,
        /// The byte.
        found: u8,
        /// Where.
        at: usize,
    },
    /// A text that is not UTF-8.
    #[error("the text at byte {at} is not UTF-8")]
    Utf8 {
        /// Where.
        at: usize,
    },
    /// JSON that is not what is wanted.
    #[error("{0}")]
    Json(String),
}
