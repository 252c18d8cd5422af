//! Verdicts on their way out: collected while the reward is quick, sent when it is slow.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use collimate_types::Verdict;

use crate::wire::frame::{self, HEADER, Kind};
use crate::wire::verdict;

/// Bytes that are sent at once at the latest.
const FULL: usize = 1 << 16;

/// The writing half of the socket, with the verdicts that have not been sent.
pub(crate) struct Outbox(Mutex<Pending>);

struct Pending {
    socket: UnixStream,
    frame: Vec<u8>,
    units: u32,
}

impl Outbox {
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self(Mutex::new(Pending { socket, frame: Vec::new(), units: 0 }))
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a frame of its own.
    pub(crate) fn say(&self, kind: Kind, payload: &[u8]) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        frame::put(&mut bytes, kind, payload);
        self.lock().socket.write_all(&bytes)
    }

    /// Adds the verdicts of a unit.
    pub(crate) fn push(&self, verdicts: &[Verdict]) -> std::io::Result<()> {
        let mut pending = self.lock();
        if pending.units == 0 {
            pending.frame.clear();
            frame::begin(&mut pending.frame, Kind::Verdicts);
            pending.frame.extend_from_slice(&[0; 4]);
        }
        verdict::put_unit(&mut pending.frame, verdicts);
        pending.units += 1;
        if pending.frame.len() >= FULL { pending.send() } else { Ok(()) }
    }

    /// Sends what has been added. Called at the end of a batch, and now and then by a second thread: so the trainer always knows which answer
    /// a slow reward is at.
    pub(crate) fn flush(&self) -> std::io::Result<()> {
        self.lock().send()
    }
}

impl Pending {
    fn send(&mut self) -> std::io::Result<()> {
        if self.units == 0 {
            return Ok(());
        }
        frame::end(&mut self.frame, 0);
        self.frame[HEADER..HEADER + 4].copy_from_slice(&self.units.to_le_bytes());
        self.units = 0;
        self.socket.write_all(&self.frame)
    }
}
