//! Write a reward or a verifier for Collimate as an ordinary Rust program.
//!
//! ```no_run
//! use collimate_reward_sdk::{Answer, Plugin, Prompt};
//!
//! fn polite(_: &Prompt, answer: &Answer<'_>) -> f64 {
//!     f64::from(answer.text.contains("please"))
//! }
//!
//! collimate_reward_sdk::main!(Plugin::of(polite).range(0.0..=1.0));
//! ```
//!
//! The program that `main!` makes is started by the trainer, several times if the recipe says so; the trainer sends it answers and gets
//! verdicts back over a socket. What the program prints goes to a log. It may use any crate, allocate, block and even crash: a fault is
//! counted and never becomes a score. [`wire`] is the protocol; [`testing`] helps with unit tests.

// The macro and the documentation name this crate from inside it too.
extern crate self as collimate_reward_sdk;

mod outbox;
mod plugin;
mod serve;
pub mod testing;
pub mod wire;

pub use collimate_types::{
    Answer, BoxError, Finish, InfraKind, Message, Prompt, Reward, Rollout, RolloutGroup, Score, Speaker, Task, TokenId, Verdict,
};
pub use plugin::Plugin;
pub use schemars;
pub use schemars::JsonSchema;
pub use serde;
pub use serde_json;
pub use serve::serve;

/// Makes `main` of a [`Plugin`]; name and version are the package's.
#[macro_export]
macro_rules! main {
    ($plugin:expr) => {
        fn main() -> ::std::process::ExitCode {
            $crate::serve($plugin.named(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")))
        }
    };
}
