//! The run loop of the `inline` placement: one process, one thread that owns all tensors, one copy of the weights.
//!
//! ```text
//! todo = controller.start()
//! loop { command = todo.pop(); todo.push(controller.on(driver.carry_out(command)?)?) }    // until Finish
//! ```

mod build;
mod checkpoint;
mod driver;
mod evaluate;
mod job;
mod logs;
mod measure;
pub(crate) mod plan;
mod progress;
mod reference;
mod signals;
mod start;
mod timers;
mod weights;

pub use build::{build, refuse};
pub(crate) use checkpoint::{differences, export, export_adapter};
pub use driver::{Driver, Parts, Summary};
pub use evaluate::{Evaluated, Evaluation, Sample};
pub use job::{Job, RunFiles};
pub(crate) use progress::clock;
pub use progress::{Board, Ui};
pub use signals::Signals;
pub use start::{Begin, start};
pub use weights::Base;
