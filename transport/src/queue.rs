//! Queues between parts of one process: bounded, with a deadline on every wait, and with the time that each side waited.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender};

use crate::TransportError;

#[derive(Debug)]
struct Shared {
    name: String,
    capacity: usize,
    send_ns: AtomicU64,
    recv_ns: AtomicU64,
}

/// The end that puts in.
#[derive(Debug)]
pub struct QueueSender<T> {
    to: Sender<T>,
    shared: Arc<Shared>,
}

/// The end that takes out.
#[derive(Debug)]
pub struct QueueReceiver<T> {
    from: Receiver<T>,
    shared: Arc<Shared>,
}

/// A queue of at most `capacity` things (at least 1); `name` tells in errors what was waited for.
///
/// ```
/// use std::time::Duration;
/// let (to, from) = collimate_transport::queue("scored batches", 2);
/// to.send(7, Duration::from_secs(1)).unwrap();
/// assert_eq!(from.recv(Duration::from_secs(1)).unwrap(), 7);
/// assert_eq!(from.recv(Duration::from_millis(1)).unwrap_err().to_string(), "waited 1ms for scored batches");
/// ```
#[must_use]
pub fn queue<T>(name: impl Into<String>, capacity: usize) -> (QueueSender<T>, QueueReceiver<T>) {
    let capacity = capacity.max(1);
    let (to, from) = crossbeam_channel::bounded(capacity);
    let shared = Arc::new(Shared { name: name.into(), capacity, send_ns: AtomicU64::new(0), recv_ns: AtomicU64::new(0) });
    (QueueSender { to, shared: shared.clone() }, QueueReceiver { from, shared })
}

impl<T> Clone for QueueSender<T> {
    fn clone(&self) -> Self {
        Self { to: self.to.clone(), shared: self.shared.clone() }
    }
}

impl<T> Clone for QueueReceiver<T> {
    fn clone(&self) -> Self {
        Self { from: self.from.clone(), shared: self.shared.clone() }
    }
}

impl<T> QueueSender<T> {
    /// Puts a thing in, waiting at most `limit` for room.
    ///
    /// # Errors
    /// [`TransportError::Full`] after the limit, [`TransportError::Closed`] when nobody takes any more. The thing is gone then.
    pub fn send(&self, thing: T, limit: Duration) -> Result<(), TransportError> {
        let clock = Instant::now();
        let sent = self.to.send_timeout(thing, limit);
        add(&self.shared.send_ns, clock);
        let what = || self.shared.name.clone();
        sent.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => TransportError::Full { what: what(), capacity: self.shared.capacity },
            SendTimeoutError::Disconnected(_) => TransportError::Closed { what: what(), reason: None },
        })
    }

    /// How long all senders have waited for room, in seconds.
    #[must_use]
    pub fn waited(&self) -> f64 {
        seconds(&self.shared.send_ns)
    }
}

impl<T> QueueReceiver<T> {
    /// Takes a thing out, waiting at most `limit` for one.
    ///
    /// # Errors
    /// [`TransportError::Deadline`], or [`TransportError::Closed`] when the queue is empty and nobody puts in any more.
    pub fn recv(&self, limit: Duration) -> Result<T, TransportError> {
        let clock = Instant::now();
        let got = self.from.recv_timeout(limit);
        add(&self.shared.recv_ns, clock);
        let what = || self.shared.name.clone();
        got.map_err(|error| match error {
            RecvTimeoutError::Timeout => TransportError::Deadline { what: what(), limit },
            RecvTimeoutError::Disconnected => TransportError::Closed { what: what(), reason: None },
        })
    }

    /// How many things wait now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.from.len()
    }

    /// Whether nothing waits now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.from.is_empty()
    }

    /// How long all receivers have waited for things, in seconds.
    #[must_use]
    pub fn waited(&self) -> f64 {
        seconds(&self.shared.recv_ns)
    }
}

fn add(to: &AtomicU64, since: Instant) {
    to.fetch_add(u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

fn seconds(ns: &AtomicU64) -> f64 {
    ns.load(Ordering::Relaxed) as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(20);

    #[test]
    fn a_full_queue_and_an_empty_one_say_what_was_waited_for_and_how_long() {
        let (to, from) = queue("batches", 1);
        to.send(1, MS).unwrap();
        assert_eq!(to.send(2, MS).unwrap_err().to_string(), "batches is full: 1 messages wait and none is taken");
        assert!(to.waited() >= 0.02);
        assert_eq!(from.recv(MS).unwrap(), 1);
        assert_eq!(from.recv(MS).unwrap_err().to_string(), "waited 20ms for batches");
        assert!(from.waited() >= 0.02);
        drop(from);
        assert!(matches!(to.send(3, MS), Err(TransportError::Closed { .. })));
    }

    #[test]
    fn what_was_put_in_before_the_end_is_still_taken_out() {
        let (to, from) = queue("batches", 2);
        to.send(1, MS).unwrap();
        drop(to);
        assert_eq!(from.recv(MS).unwrap(), 1);
        assert_eq!(from.recv(MS).unwrap_err().to_string(), "the other end of batches is gone");
    }
}
