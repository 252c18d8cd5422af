//! How long and how much; the same at both ends.

use std::time::Duration;

/// How long a peer may take and how much it may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest frame, in bytes. A batch of 1,024 completions of 1,024 tokens is about 30 MB.
    pub frame_bytes: u32,
    /// From the connection to the end of the handshake.
    pub handshake: Duration,
    /// From the first byte of a frame to its last.
    pub frame: Duration,
    /// How often a peer sends a sign of life.
    pub beat: Duration,
    /// After this long without a sign of life a peer counts as hung.
    pub silence: Duration,
    /// Messages that may wait for a peer, and that may wait for the owner of a hub.
    pub queue: usize,
    /// Peers at once.
    pub peers: usize,
    /// Connections that have not shown who they are; of more, the oldest goes.
    pub strangers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: 256 << 20,
            handshake: Duration::from_secs(5),
            frame: Duration::from_secs(30),
            beat: Duration::from_millis(100),
            silence: Duration::from_secs(2),
            queue: 64,
            peers: 256,
            strangers: 16,
        }
    }
}
