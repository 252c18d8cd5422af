//! What goes wrong between two parts.

use std::time::Duration;

/// What goes wrong between two parts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The system refused.
    #[error("cannot {what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// A wait ended without what it waited for.
    #[error("waited {limit:?} for {what}")]
    Deadline {
        /// What did not come.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The other end is gone.
    #[error("the other end of {what} is gone{}", .reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default())]
    Closed {
        /// Which connection or queue.
        what: String,
        /// Why, where it is known.
        reason: Option<String>,
    },
    /// What waits for the other end has filled the queue: it takes nothing.
    #[error("{what} is full: {capacity} messages wait and none is taken")]
    Full {
        /// Which queue.
        what: String,
        /// How many fit.
        capacity: usize,
    },
    /// A frame says that it is longer than a frame may be. Nothing was allocated for it.
    #[error("a frame of {got} bytes; at most {cap} are taken")]
    FrameTooLong {
        /// What its head says.
        got: u64,
        /// The cap.
        cap: u32,
    },
    /// Bytes that are no frame, or a frame out of place.
    #[error("a frame that makes no sense: {0}")]
    BadFrame(String),
    /// The two ends are of different releases.
    #[error(
        "the other end speaks protocol {theirs} ({program}), this one {ours}: both must be of one release; start the run with one binary"
    )]
    Protocol {
        /// Our protocol.
        ours: u32,
        /// Theirs.
        theirs: u32,
        /// Their program and its version.
        program: String,
    },
    /// The other end turned the connection away.
    #[error("the connection was refused: {0}")]
    Refused(String),
    /// Another user's process.
    #[error("process {pid} of user {uid} may not connect: this run belongs to user {own}")]
    Foreign {
        /// The process.
        pid: u32,
        /// Its user.
        uid: u32,
        /// Our user.
        own: u32,
    },
    /// Weights that are not what their ticket says. They were not used.
    #[error("weights of version {version}: {reason}")]
    Weights {
        /// The version that was asked for.
        version: u64,
        /// What is wrong.
        reason: String,
    },
}

/// Adds what was tried to an error of the system.
pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> TransportError {
    let what = what.into();
    move |error| TransportError::Io { what, error }
}
