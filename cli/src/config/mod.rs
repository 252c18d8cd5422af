//! The configuration: recipes (TOML) laid over each other, `key=value` changes on top, all faults in one pass, each with its place.
//!
//! ```text
//! layers -> parse (values with places) -> check (unknown keys, types, ranges, missing keys, rules) -> Recipe -> resolve
//! ```
//!
//! A value that is wrong is reported and taken out; its default stands in for it, so that everything else is still looked at.

mod build;
mod check;
mod diagnostics;
mod diff;
mod explain;
mod field;
mod limit;
mod load;
mod nearest;
mod parse;
mod parts;
mod recipe;
mod rules;
mod sections;
mod shorthand;
mod source;
mod tree;

pub use diagnostics::{Diagnostics, Problem};
pub use diff::{Change, diff};
pub use explain::{explain, schema};
pub use field::OnResume;
pub use load::{Loaded, Purpose, load};
pub use recipe::{AlgorithmSection, Recipe};
pub use sections::{
    CheckpointSection, EvalSection, LearnerSection, LogSection, LoraSection, ModelSection, RewardPolicySection, RolloutSection, RunSection,
    SamplingSection,
};
pub use shorthand::reward_key;
pub use source::Layer;

#[cfg(test)]
mod tests;
