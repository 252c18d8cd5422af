//! Rewards and verifiers: one file each, and how they are combined.
//!
//! ```text
//! [[reward]] of a recipe ── RewardSpec ── RewardSet::build ──► RewardSet::score(RolloutGroup) ──► ScoredGroup ──► FaultWindow
//! ```
//!
//! A verdict is not a number: what cannot be judged, panics or is not finite never becomes a score, and a weighted sum with a faulty part
//! is that fault, never a partial sum. Every built-in reward does bounded work on any answer.
//!
//! A reward may also be a program of its own ([`plugin`]), a service ([`http`]), or a reward model, which whoever builds the set loads
//! ([`RewardSet::build_with`]).
//!
//! To add a reward: one file in `src/builtin/` and one word in its roster.

mod builtin;
mod card;
mod combine;
mod error;
mod extract;
mod guard;
pub mod http;
mod knobs;
pub mod math;
mod model;
mod number;
mod outside;
pub mod plugin;
mod scan;
mod schema;
mod set;
mod spec;
mod summary;
mod tagged;
mod trial;
mod truth;
mod window;
mod within;

pub use builtin::roster;
pub use card::{Builtin, CardCase, KnobCard, RewardCard};
pub use combine::{Normalise, Role, Share};
pub use error::RewardError;
pub use extract::Extract;
pub use model::{MODEL_CARD, ModelSettings};
pub use number::Number;
pub use outside::{check_spec, lanes, plugin_settings, score_all, with_logs};
pub use set::RewardSet;
pub use spec::RewardSpec;
pub use summary::summarise;
pub use trial::{Case, Trial, Wanted, read_cases, trial};
pub use window::FaultWindow;
