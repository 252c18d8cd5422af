//! The launcher's end of the control sockets: it lets processes of this user in, one release only, and tells its owner what they say.
//!
//! A thread of its own runs tokio; the owner's thread talks to it through bounded queues and never waits for a peer. A peer that is slow,
//! silent, malformed or foreign is dropped with the reason, and no other peer notices.

use std::collections::{BTreeMap, VecDeque};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use collimate_sys::socket::{listen_private, own_uid, peer};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::error::io;
use crate::frame::{Kind, encode, read, write};
use crate::{Hello, Limits, PROTOCOL, TransportError, Welcome};

/// A connection, counted from 1 over the life of a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// What happens at a hub.
#[derive(Debug)]
pub enum HubEvent<M> {
    /// A process was let in.
    Joined {
        /// Its connection.
        peer: PeerId,
        /// Its number, as the kernel knows it.
        pid: u32,
        /// What it says of itself.
        hello: Hello,
    },
    /// A process said something.
    Message {
        /// Its connection.
        peer: PeerId,
        /// What it said.
        message: M,
    },
    /// A connection is over, whatever it was that ended it.
    Left {
        /// The connection.
        peer: PeerId,
        /// Why.
        why: TransportError,
    },
}

/// Who was not let in. Counted, not told one by one: a flood of strangers must not drown the run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    /// How many.
    pub count: u64,
    /// Why the last one was not.
    pub last: Option<String>,
}

struct Member {
    out: mpsc::Sender<Vec<u8>>,
    progress: Arc<AtomicU64>,
    end: AbortHandle,
}

struct Shared<M> {
    limits: Limits,
    events: Sender<HubEvent<M>>,
    members: Mutex<BTreeMap<PeerId, Member>>,
    refusals: Mutex<Refusals>,
    next: AtomicU64,
}

/// The launcher's end. `In` is what peers say, `Out` what they are told.
pub struct Hub<In, Out> {
    shared: Arc<Shared<In>>,
    events: Receiver<HubEvent<In>>,
    socket: PathBuf,
    /// Dropping it ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    says: PhantomData<fn(Out)>,
}

impl<In, Out> std::fmt::Debug for Hub<In, Out> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("socket", &self.socket).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<In: DeserializeOwned + Send + 'static, Out: Serialize> Hub<In, Out> {
    /// Listens at `dir/name`. A name that a killed launcher left there is taken over: whoever calls this holds the lock of the run.
    ///
    /// # Errors
    /// [`TransportError::Io`].
    pub fn open(dir: &Path, name: &str, limits: Limits) -> Result<Self, TransportError> {
        let socket = dir.join(name);
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(format!("remove `{}`", socket.display()))(error)),
            _ => {}
        }
        let say = || io(format!("listen at `{}`", socket.display()));
        let listener = listen_private(dir, name).map_err(say())?;
        listener.set_nonblocking(true).map_err(say())?;
        let (events_in, events) = crossbeam_channel::bounded(limits.queue.max(1));
        let (stop, stopped) = oneshot::channel();
        let (members, refusals, next) = (Mutex::default(), Mutex::default(), AtomicU64::new(1));
        let shared = Arc::new(Shared { limits, events: events_in, members, refusals, next });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(say())?;
        let inside = shared.clone();
        let run = move || {
            runtime.block_on(async move {
                if let Ok(listener) = UnixListener::from_std(listener) {
                    tokio::spawn(accept(listener, inside));
                    let _ = stopped.await;
                }
            });
        };
        let thread = std::thread::Builder::new().name("hub".to_owned()).spawn(run).map_err(say())?;
        Ok(Self { shared, events, socket, stop: Some(stop), thread: Some(thread), says: PhantomData })
    }

    /// The next thing that happens, or nothing within the limit.
    ///
    /// # Errors
    /// [`TransportError::Closed`] if the hub's thread is gone.
    pub fn next(&self, limit: Duration) -> Result<Option<HubEvent<In>>, TransportError> {
        match self.events.recv_timeout(limit) {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(TransportError::Closed { what: "the hub".to_owned(), reason: None }),
        }
    }

    /// Tells a peer something; it is on its way when this returns.
    ///
    /// # Errors
    /// [`TransportError::Closed`] for a peer that is not there, [`TransportError::Full`] for one that takes nothing,
    /// [`TransportError::FrameTooLong`].
    pub fn send(&self, to: PeerId, message: &Out) -> Result<(), TransportError> {
        let what = || format!("the connection of peer {}", to.0);
        let payload = serde_json::to_vec(message).map_err(|e| TransportError::BadFrame(e.to_string()))?;
        let frame = encode(Kind::Message, &payload, self.shared.limits.frame_bytes)?;
        let members = locked(&self.shared.members);
        let Some(member) = members.get(&to) else { return Err(TransportError::Closed { what: what(), reason: None }) };
        member.out.try_send(frame).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => TransportError::Full { what: what(), capacity: self.shared.limits.queue },
            mpsc::error::TrySendError::Closed(_) => TransportError::Closed { what: what(), reason: None },
        })
    }

    /// How much a peer had done at its last sign of life; `None` if it is not there.
    #[must_use]
    pub fn progress(&self, peer: PeerId) -> Option<u64> {
        locked(&self.shared.members).get(&peer).map(|member| member.progress.load(Ordering::Relaxed))
    }

    /// Ends a connection. No event tells of it.
    pub fn drop_peer(&self, peer: PeerId) {
        if let Some(member) = locked(&self.shared.members).remove(&peer) {
            member.end.abort();
        }
    }

    /// Who was not let in so far.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        locked(&self.shared.refusals).clone()
    }
}

impl<In, Out> Drop for Hub<In, Out> {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // It panics only if a peer's message does, and that peer is told of then.
        }
        let _ = std::fs::remove_file(&self.socket); // A name without a listener hurts nobody; the next hub takes it over.
    }
}

/// Lets connections in, and of too many strangers lets the oldest go.
async fn accept<M: DeserializeOwned + Send + 'static>(listener: UnixListener, shared: Arc<Shared<M>>) {
    let mut strangers: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                strangers.retain(|task| !task.is_finished());
                while strangers.len() >= shared.limits.strangers.max(1) {
                    if let Some(oldest) = strangers.pop_front() {
                        oldest.abort();
                        refuse(&shared, "too many connections that did not say who they are".to_owned());
                    }
                }
                let inside = shared.clone();
                strangers.push_back(tokio::spawn(greet(stream, inside)).abort_handle());
            }
            // Out of handles, most likely: those that time out give theirs back.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

fn refuse<M>(shared: &Shared<M>, why: String) {
    let mut refusals = locked(&shared.refusals);
    refusals.count += 1;
    refusals.last = Some(why);
}

/// The handshake; who passes it is served by a task of its own.
async fn greet<M: DeserializeOwned + Send + 'static>(mut stream: UnixStream, shared: Arc<Shared<M>>) {
    let limit = shared.limits.handshake;
    let shaken = tokio::time::timeout(limit, shake(&mut stream, &shared)).await;
    match shaken.unwrap_or_else(|_| Err(TransportError::Deadline { what: "a handshake".to_owned(), limit })) {
        Ok((pid, hello)) => {
            let id = PeerId(shared.next.fetch_add(1, Ordering::Relaxed));
            let (out, orders) = mpsc::channel(shared.limits.queue.max(1));
            let progress = Arc::new(AtomicU64::new(0));
            let inside = shared.clone();
            let (go, gone) = oneshot::channel();
            let task = tokio::spawn({
                let progress = progress.clone();
                async move {
                    let _ = gone.await; // Only when it is registered may it leave.
                    serve(id, pid, hello, stream, orders, progress, inside).await;
                }
            });
            locked(&shared.members).insert(id, Member { out, progress, end: task.abort_handle() });
            let _ = go.send(());
        }
        Err(why) => refuse(&shared, why.to_string()),
    }
}

/// Who connects, or why it may not.
async fn shake<M>(stream: &mut UnixStream, shared: &Shared<M>) -> Result<(u32, Hello), TransportError> {
    let limits = &shared.limits;
    let found = peer(&*stream).map_err(io("ask who connects"))?;
    let own = own_uid();
    let checked = if found.uid != own {
        Err(TransportError::Foreign { pid: found.pid, uid: found.uid, own })
    } else if locked(&shared.members).len() >= limits.peers {
        Err(TransportError::Full { what: "the hub".to_owned(), capacity: limits.peers })
    } else {
        // A stranger's frame is small: the full cap is for those who have shown who they are.
        let small = Limits { frame_bytes: limits.frame_bytes.min(4096), ..*limits };
        match read(stream, &small, limits.handshake, "a hello").await {
            Ok((Kind::Hello, payload)) => Hello::read(&payload),
            Ok((kind, _)) => Err(TransportError::BadFrame(format!("{kind:?} came before a hello"))),
            Err(error) => Err(error),
        }
    };
    match checked {
        Ok(hello) => {
            let beat_ms = u64::try_from(limits.beat.as_millis()).unwrap_or(u64::MAX);
            let welcome = serde_json::to_vec(&Welcome { protocol: PROTOCOL, beat_ms }).unwrap_or_default();
            write(stream, &encode(Kind::Welcome, &welcome, limits.frame_bytes)?, limits, "a new peer").await?;
            Ok((found.pid, hello))
        }
        Err(why) => {
            let _ = write(stream, &encode(Kind::Refuse, why.to_string().as_bytes(), limits.frame_bytes)?, limits, "a stranger").await;
            Err(why)
        }
    }
}

/// Serves a peer to its end.
async fn serve<M: DeserializeOwned + Send + 'static>(
    id: PeerId,
    pid: u32,
    hello: Hello,
    stream: UnixStream,
    mut orders: mpsc::Receiver<Vec<u8>>,
    progress: Arc<AtomicU64>,
    shared: Arc<Shared<M>>,
) {
    let what = format!("{} (process {pid})", hello.part);
    tell(&shared, HubEvent::Joined { peer: id, pid, hello }).await;
    let limits = shared.limits;
    let (mut from, mut to) = stream.into_split();
    let sending = tokio::spawn({
        let what = what.clone();
        async move {
            while let Some(frame) = orders.recv().await {
                write(&mut to, &frame, &limits, &what).await?;
            }
            Ok::<_, TransportError>(())
        }
    });
    let end_of_sending = sending.abort_handle();
    let receive = async {
        loop {
            match read(&mut from, &limits, limits.silence, &format!("a sign of life of {what}")).await? {
                (Kind::Beat, payload) => {
                    let bytes = payload.try_into().map_err(|_| TransportError::BadFrame("a sign of life of a wrong length".to_owned()))?;
                    progress.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
                }
                (Kind::Message, payload) => {
                    let message = serde_json::from_slice(&payload)
                        .map_err(|e| TransportError::BadFrame(format!("a message of {what} cannot be read: {e}")))?;
                    tell(&shared, HubEvent::Message { peer: id, message }).await;
                }
                (kind, _) => return Err(TransportError::BadFrame(format!("{kind:?} came after the handshake"))),
            }
        }
    };
    let why = either(receive, sending).await;
    end_of_sending.abort();
    // Whoever was dropped by the owner is not told of.
    if locked(&shared.members).remove(&id).is_some() {
        tell(&shared, HubEvent::Left { peer: id, why }).await;
    }
}

/// The error of whichever ends first.
async fn either(
    receive: impl Future<Output = Result<(), TransportError>>,
    sending: tokio::task::JoinHandle<Result<(), TransportError>>,
) -> TransportError {
    let (mut receive, mut sending) = (std::pin::pin!(receive), std::pin::pin!(sending));
    let gone = || TransportError::Closed { what: "a connection".to_owned(), reason: None };
    std::future::poll_fn(|cx| {
        if let std::task::Poll::Ready(done) = receive.as_mut().poll(cx) {
            return std::task::Poll::Ready(done.err().unwrap_or_else(gone));
        }
        sending.as_mut().poll(cx).map(|done| done.unwrap_or(Ok(())).err().unwrap_or_else(gone))
    })
    .await
}

/// Hands an event to the owner; while the owner is busy this peer alone is not read.
async fn tell<M>(shared: &Shared<M>, event: HubEvent<M>) {
    let mut event = event;
    loop {
        match shared.events.try_send(event) {
            Err(TrySendError::Full(back)) => event = back,
            Ok(()) | Err(TrySendError::Disconnected(_)) => return,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
