//! Packing, forward, loss call, optimizer and weight publishing.
//!
//! ```text
//! loop { batch = source.next()?; report = learner.step(model, batch)?; weights.publish(model)?; }
//! ```
//!
//! A learner knows only a contract: [`PolicyLearner`] the trait `Algorithm`, [`GivenLearner`] the trait `Objective`. What one needs (leaves,
//! reference, spread) is declared, never asked by name. Both make their updates by one core.

mod credit;
mod critic;
mod error;
mod given;
mod optimizer;
mod pack;
mod policy;
mod readout;
mod schedule;
mod update;

pub use credit::{ByToken, Told, credit};
pub use critic::{CriticConfig, CriticLearner};
pub use error::LearnerError;
pub use given::{GivenAnswer, GivenLearner, GivenRow, Grid, Lesson, Measured, Preferred, measure, reference};
pub use optimizer::{Optimizer, OptimizerConfig, OptimizerState};
pub use pack::{CriticGrids, MicroBatch, micro_batches};
pub use policy::PolicyLearner;
pub use readout::{Readout, VocabPass};
pub use schedule::{Schedule, Shape};
pub use update::{LearnerConfig, LearnerState};
