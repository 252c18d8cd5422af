//! A process's end of a control socket.
//!
//! A thread of its own reads, writes and gives signs of life, so that they come while the engine thread computes. How far the engine thread
//! is travels with them: a process whose signs come and whose progress stands still hangs too, and the launcher can tell.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use collimate_sys::socket::connect_private;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::error::io;
use crate::frame::{Kind, encode, read, write};
use crate::{Hello, Limits, TransportError, Welcome};

/// Counts what the engine thread has done; the last count travels with every sign of life.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Counts one more thing done: a token, a layer, a tensor.
    pub fn tick(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A process's end. `In` is what it is told, `Out` what it says. Dropped, it hangs up.
pub struct Link<In, Out> {
    orders: Receiver<In>,
    out: Option<mpsc::Sender<Vec<u8>>>,
    progress: Progress,
    /// Why the connection ended, once it has.
    why: Arc<Mutex<Option<String>>>,
    limits: Limits,
    thread: Option<std::thread::JoinHandle<()>>,
    says: PhantomData<fn(Out)>,
}

impl<In, Out> std::fmt::Debug for Link<In, Out> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl<In: DeserializeOwned + Send + 'static, Out: Serialize> Link<In, Out> {
    /// Connects to the hub at `dir/name` and shakes hands, within the limit for that.
    ///
    /// # Errors
    /// [`TransportError::Io`] if nobody listens there, [`TransportError::Refused`] with the hub's reason, [`TransportError::Deadline`].
    pub fn connect(dir: &Path, name: &str, hello: &Hello, limits: Limits) -> Result<Self, TransportError> {
        let socket = dir.join(name);
        let say = || io(format!("connect to `{}`", socket.display()));
        let stream = connect_private(dir, name).map_err(say())?;
        stream.set_nonblocking(true).map_err(say())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(say())?;
        let (stream, welcome) = runtime.block_on(async {
            let mut stream = UnixStream::from_std(stream).map_err(say())?;
            let limit = limits.handshake;
            let late = |_| TransportError::Deadline { what: format!("a handshake with `{}`", socket.display()), limit };
            let welcome = tokio::time::timeout(limit, shake(&mut stream, hello, &limits)).await.map_err(late)??;
            Ok::<_, TransportError>((stream, welcome))
        })?;
        let (orders_in, orders) = crossbeam_channel::bounded(limits.queue.max(1));
        let (out, frames) = mpsc::channel(limits.queue.max(1));
        let (progress, why) = (Progress::default(), Arc::new(Mutex::new(None)));
        let (beat, done, reason) = (Duration::from_millis(welcome.beat_ms.max(1)), progress.clone(), why.clone());
        let run = move || {
            runtime.block_on(async move {
                let (from, mut to) = stream.into_split();
                let noted = reason.clone();
                let reading = tokio::spawn(async move {
                    let error = listen(from, limits, &orders_in).await;
                    note(&noted, &error); // Before the queue ends, so that whoever sees its end can tell why.
                });
                let spoken = talk(&mut to, frames, &limits, beat, &done, &reading).await;
                reading.abort();
                if let Err(error) = spoken {
                    note(&reason, &error);
                }
            });
        };
        let thread = std::thread::Builder::new().name("link".to_owned()).spawn(run).map_err(say())?;
        Ok(Self { orders, out: Some(out), progress, why, limits, thread: Some(thread), says: PhantomData })
    }

    /// The next message, or nothing within the limit.
    ///
    /// # Errors
    /// [`TransportError::Closed`] when the launcher is gone: nothing is left to do but to end.
    pub fn next(&self, limit: Duration) -> Result<Option<In>, TransportError> {
        match self.orders.recv_timeout(limit) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(self.closed()),
        }
    }

    /// Says something, waiting at most `limit` for room in the queue.
    ///
    /// # Errors
    /// [`TransportError::Full`], [`TransportError::Closed`], [`TransportError::FrameTooLong`].
    pub fn send(&self, message: &Out, limit: Duration) -> Result<(), TransportError> {
        let payload = serde_json::to_vec(message).map_err(|e| TransportError::BadFrame(e.to_string()))?;
        let mut frame = encode(Kind::Message, &payload, self.limits.frame_bytes)?;
        let over = self.why.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let Some(out) = self.out.as_ref().filter(|_| !over) else { return Err(self.closed()) };
        let end = Instant::now() + limit;
        loop {
            match out.try_send(frame) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(self.closed()),
                Err(mpsc::error::TrySendError::Full(_)) if Instant::now() >= end => {
                    return Err(TransportError::Full { what: "the way to the launcher".to_owned(), capacity: self.limits.queue });
                }
                Err(mpsc::error::TrySendError::Full(back)) => frame = back,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What the engine thread counts on.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn closed(&self) -> TransportError {
        let reason = self.why.lock().unwrap_or_else(PoisonError::into_inner).clone();
        TransportError::Closed { what: "the connection to the launcher".to_owned(), reason }
    }
}

impl<In, Out> Drop for Link<In, Out> {
    fn drop(&mut self) {
        drop(self.out.take()); // What waits is still written; then the thread hangs up.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Keeps the first reason.
fn note(why: &Mutex<Option<String>>, error: &TransportError) {
    why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.to_string());
}

/// Says who connects and takes the answer.
async fn shake(stream: &mut UnixStream, hello: &Hello, limits: &Limits) -> Result<Welcome, TransportError> {
    let payload = serde_json::to_vec(hello).map_err(|e| TransportError::BadFrame(e.to_string()))?;
    write(stream, &encode(Kind::Hello, &payload, limits.frame_bytes)?, limits, "the launcher").await?;
    match read(stream, limits, limits.handshake, "the launcher's welcome").await? {
        (Kind::Welcome, payload) => {
            serde_json::from_slice(&payload).map_err(|e| TransportError::BadFrame(format!("it is no welcome: {e}")))
        }
        (Kind::Refuse, reason) => Err(TransportError::Refused(String::from_utf8_lossy(&reason).into_owned())),
        (kind, _) => Err(TransportError::BadFrame(format!("{kind:?} came in place of a welcome"))),
    }
}

/// Hands on what comes until the connection ends; the error says why it did.
async fn listen<In: DeserializeOwned>(mut from: tokio::net::unix::OwnedReadHalf, limits: Limits, orders: &Sender<In>) -> TransportError {
    // The launcher gives no signs of life: when it ends the socket does, and then this does. A wait for ever is the right wait here.
    const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);
    loop {
        let message = match read(&mut from, &limits, FOR_EVER, "the launcher").await {
            Ok((Kind::Message, payload)) => serde_json::from_slice(&payload),
            Ok((kind, _)) => return TransportError::BadFrame(format!("{kind:?} came from the launcher")),
            Err(error) => return error,
        };
        let mut message = match message {
            Ok(message) => message,
            Err(error) => return TransportError::BadFrame(format!("a message of the launcher cannot be read: {error}")),
        };
        loop {
            match orders.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) => message = back,
                Err(TrySendError::Disconnected(_)) => return TransportError::Closed { what: "the engine thread".to_owned(), reason: None },
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Writes what the engine thread says, and signs of life between.
async fn talk<T>(
    to: &mut tokio::net::unix::OwnedWriteHalf,
    mut frames: mpsc::Receiver<Vec<u8>>,
    limits: &Limits,
    beat: Duration,
    progress: &Progress,
    reading: &tokio::task::JoinHandle<T>,
) -> Result<(), TransportError> {
    while !reading.is_finished() {
        let frame = match tokio::time::timeout(beat, frames.recv()).await {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            Err(_) => encode(Kind::Beat, &progress.0.load(Ordering::Relaxed).to_le_bytes(), limits.frame_bytes)?,
        };
        write(to, &frame, limits, "the launcher").await?;
    }
    Ok(())
}
