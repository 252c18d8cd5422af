//! Messages and weights between the parts of a run on one host.
//!
//! | from, to | what carries it |
//! |---|---|
//! | parts of one process | [`queue`]: bounded channels of crossbeam |
//! | launcher and its processes | [`Hub`] and [`Link`]: frames over a Unix socket of mode 0600, tokio inside |
//! | learner and actors, weights | [`Weights`]: sealed shared memory, written once, mapped by all |
//!
//! Three rules hold everywhere. Every wait has a deadline, and an error says what was waited for. Nothing is allocated for a peer because
//! of a number that the peer sent. What arrives is whole or an error: a half message, a half set of weights do not exist.
//!
//! Messages are JSON: their nouns hold JSON of users (a task's truth), numbers come back bit for bit, and a frame can be read by eye. Weights,
//! the one heavy thing, never pass through a socket.
//!
//! This crate links no LibTorch: weights are bytes here, so parts that move them can be tested in seconds.

mod error;
mod frame;
mod hello;
mod hub;
mod limits;
mod link;
mod message;
mod queue;
mod weights;

pub use error::TransportError;
pub use frame::{HEADER_BYTES, Header, Kind};
pub use hello::{Hello, PROTOCOL, Welcome};
pub use hub::{Hub, HubEvent, PeerId, Refusals};
pub use limits::Limits;
pub use link::{Link, Progress};
pub use message::{Order, Report};
pub use queue::{QueueReceiver, QueueSender, queue};
pub use weights::{PublishedWeights, TensorEntry, Ticket, Weights};
