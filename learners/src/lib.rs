//! Packing, forward, loss call, optimizer and weight publishing.
//!
//! ```text
//! loop { batch = source.next()?; report = learner.step(model, batch)?; weights.publish(model)?; }
//! ```
//!
//! A learner knows only the trait `Algorithm`: what it needs (leaves, reference, spread) is declared, never asked by name.

mod credit;
mod critic;
mod error;
mod optimizer;
mod pack;
mod policy;
mod schedule;

pub use credit::{ByToken, Told, credit};
pub use critic::{CriticConfig, CriticLearner};
pub use error::LearnerError;
pub use optimizer::{Optimizer, OptimizerConfig, OptimizerState};
pub use pack::{CriticGrids, MicroBatch, micro_batches};
pub use policy::{LearnerConfig, LearnerState, PolicyLearner};
pub use schedule::{Schedule, Shape};
