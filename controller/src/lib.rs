//! The hybrid flow as a pure state machine: events in, commands out.
//!
//! One controller writes a run as a short program over roles (actor, learner, reference, reward); a driver carries the commands out, in
//! this process or in others, and tells what came of them. The controller does no I/O, reads no clock, starts no thread and draws no
//! random number, so the same events always give the same commands, and a run can be checked without running a model.
//!
//! ```text
//! let mut todo = VecDeque::from(controller.start());
//! loop {
//!     while let Some(command) = todo.pop_front() { driver.carry_out(command)?; }   // in order; Finish(outcome) ends the loop
//!     todo.extend(controller.on(driver.next_event()?)?);
//! }
//! ```
//!
//! A run over several processes has a second machine beside it: [`pool`], which leases the batches to actors.
//!
//! The programs of a step stand in `flow/`: `online.rs`, and `given.rs` for a plan without an actor. What happens between two steps in `boundary.rs`.
//!
//! # What the driver must keep
//!
//! A checkpoint is always the state at a *boundary*: the place between two steps. A stop that arrives before a step's update abandons that
//! step, and the boundary before it may be saved only then. So when the driver gets [`Command::Draw`] with `refill` 0, it notes whatever
//! moves before [`Command::Update`] as it is **before** drawing: the data cursor, the algorithm's state (credit may move it), the lengths
//! of metrics and rollout files. A later [`Command::Save`] for that boundary saves these notes. Weights and optimizer do not move
//! before `Update`, and [`Controller::state`] is always the state of the last boundary.

mod boundary;
mod command;
mod controller;
mod counts;
mod error;
mod event;
mod flow;
pub mod pool;
mod state;

pub use boundary::MAX_STEPS_WITHOUT_UPDATE;
pub use command::{Command, Outcome};
pub use controller::{Controller, MAX_FAILED_SAVES};
pub use error::ControllerError;
pub use event::Event;
pub use flow::online::MAX_REQUEUES;
pub use state::{Best, ControllerState, Phase, View};
