//! The run loop of the `inline` placement: one process, one thread that owns all tensors, one copy of the weights.
//!
//! `driver.rs` is the loop, `frame.rs` what all runs have around their work. What is done between two boundaries is a `Work`:
//! `online.rs` for answers that are drawn, `given/` for given data.
//!
//! ```text
//! todo = controller.start()
//! loop { command = todo.pop(); todo.push(controller.on(driver.carry_out(command)?)?) }    // until Finish
//! ```

mod build;
mod checkpoint;
mod critic;
mod driver;
mod evaluate;
mod frame;
pub(crate) mod given;
mod greedy;
mod job;
mod logs;
mod measure;
mod online;
pub(crate) mod plan;
mod progress;
pub(crate) mod reference;
mod signals;
mod start;
mod timers;
mod weights;

pub use build::{build, refuse};
pub(crate) use checkpoint::{differences, export, export_adapter};
pub use driver::{Driver, Summary};
pub use evaluate::{Evaluated, Evaluation, Sample};
pub(crate) use given::Reference;
pub use job::{DataFacts, Job, RunFiles};
pub(crate) use job::{OnlineJob, Part};
pub(crate) use progress::clock;
pub use progress::{Board, Ui};
pub use signals::Signals;
pub use start::{Begin, start};
