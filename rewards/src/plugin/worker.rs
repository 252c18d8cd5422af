//! One copy of a plugin: its process and its socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use collimate_reward_sdk::wire::frame::{self, Kind};
use collimate_reward_sdk::wire::json::Reply;
use collimate_reward_sdk::wire::{CAP, Hello, Init, MAGIC, PROTOCOL, PROTOCOL_VARIABLE, Ready, WireError, verdict};
use collimate_sys::{Limits, has_ended, isolate, kill_group, wait_ready, watch};
use collimate_types::Verdict;
use serde_json::Value;

use super::PluginSettings;
use super::call::Form;
use super::log::{LastWords, Log};
use crate::within::possible;

/// How long a copy may take to end by itself when it is no longer wanted.
const GRACE: Duration = Duration::from_millis(300);

/// A process and its socket.
pub(super) struct Worker {
    child: Child,
    socket: UnixStream,
    ended: OwnedFd,
    inbox: Vec<u8>,
    /// Bytes of the inbox that hold no end of line.
    searched: usize,
    outbox: Vec<u8>,
    sent: usize,
    form: Form,
    /// The number of the next line, and of the next line to be answered.
    lines: (u64, u64),
    words: Arc<LastWords>,
}

/// What came of a turn.
#[derive(Default)]
pub(super) struct Turn {
    /// Verdicts, a list a unit.
    pub(super) units: Vec<Vec<Verdict>>,
    /// That the copy is of no more use, and why: the words after "it".
    pub(super) over: Option<Over>,
}

/// Why a copy is of no more use.
#[derive(Debug)]
pub(super) enum Over {
    /// It has ended, or closed its socket.
    Ended,
    /// It broke the protocol.
    Broke(WireError),
}

impl Worker {
    /// Starts a copy and gives it its settings.
    pub(super) fn start(settings: &PluginSettings, log: &Arc<Log>) -> Result<(Self, Hello), String> {
        let (ours, theirs) = UnixStream::pair().map_err(|e| format!("no socket can be made: {e}"))?;
        let mut worker = Self::spawn(settings, log, ours, theirs)?;
        match worker.greet(settings) {
            Ok(hello) => Ok((worker, hello)),
            Err(why) => {
                let how = worker.kill(true);
                Err(format!("`{}` {why} ({how})", settings.plugin))
            }
        }
    }

    fn spawn(settings: &PluginSettings, log: &Arc<Log>, ours: UnixStream, theirs: UnixStream) -> Result<Self, String> {
        let [program, arguments @ ..] = settings.plugin.0.as_slice() else { return Err("`plugin` names no program".into()) };
        let pipe = || -> io::Result<_> {
            ours.set_nonblocking(true)?;
            let (reader, writer) = io::pipe()?;
            Ok((reader, writer.try_clone()?, writer))
        };
        let (reader, out, err) = pipe().map_err(|e| format!("no pipe can be made: {e}"))?;
        let mut command = Command::new(program);
        command.args(arguments).env(PROTOCOL_VARIABLE, PROTOCOL.to_string());
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(out).stderr(err);
        let limit = |value: u64, unit: u64| (value > 0).then(|| value.saturating_mul(unit));
        isolate(&mut command, Limits { address_space: limit(settings.memory_mb, 1 << 20), processes: limit(settings.max_processes, 1) });
        let mut child = command.spawn().map_err(|e| {
            let here = std::env::current_dir().map(|d| d.display().to_string()).unwrap_or_default();
            format!("`{program}` cannot be started from `{here}`: {e}; build it, or give the path of an executable file")
        })?;
        // The command holds the plugin's ends: without this the end of the copy would never be seen.
        drop(command);
        let ended = watch(child.id()).inspect_err(|_| {
            kill_group(child.id());
            let _ = child.wait();
        });
        let ended = ended.map_err(|e| format!("`{program}` cannot be watched: {e}"))?;
        let words = LastWords::listen(reader, log.clone());
        let form = Form { json: false, whole_groups: false };
        Ok(Self { child, socket: ours, ended, inbox: Vec::new(), searched: 0, outbox: Vec::new(), sent: 0, form, lines: (0, 0), words })
    }

    fn greet(&mut self, settings: &PluginSettings) -> Result<Hello, String> {
        let limit = Instant::now() + Duration::from_secs_f64(settings.start_s);
        while self.inbox.len() < MAGIC.len() && self.inbox.first() != Some(&b'{') {
            self.wait_for_bytes(limit)?;
        }
        self.form.json = self.inbox.first() == Some(&b'{');
        if !self.form.json {
            if !self.inbox.starts_with(&MAGIC) {
                let shown = String::from_utf8_lossy(&self.inbox[..self.inbox.len().min(40)]).into_owned();
                return Err(format!("does not speak the protocol; it began with {shown:?}"));
            }
            self.inbox.drain(..MAGIC.len());
        }
        let hello = self.said::<Value>(Kind::Hello, limit)?;
        let theirs = hello["collimate_reward"].as_u64();
        if theirs != Some(u64::from(PROTOCOL)) {
            let theirs = theirs.map_or_else(|| "none".into(), |v| v.to_string());
            return Err(format!(
                "speaks version {theirs} of the reward protocol, this program {PROTOCOL}: build it against the SDK of this release"
            ));
        }
        let hello: Hello = serde_json::from_value(hello).map_err(|e| format!("says something of itself that cannot be read: {e}"))?;
        if hello.range.is_some_and(|r| !possible(r)) {
            return Err(format!("declares the range {:?}, which holds nothing", hello.range));
        }
        self.form.whole_groups = hello.whole_groups;
        let init = Init { config: Value::Object(settings.config.clone()), deadline_s: settings.deadline_s };
        let init = serde_json::to_vec(&init).map_err(|e| e.to_string())?;
        if self.form.json {
            self.outbox.extend_from_slice(&init);
            self.outbox.push(b'\n');
        } else {
            frame::put(&mut self.outbox, Kind::Init, &init);
        }
        match self.said::<Ready>(Kind::Ready, limit)? {
            Ready::Ready(_) => Ok(hello),
            Ready::Refused(why) => Err(format!("refuses its `config`: {why}")),
        }
    }

    /// The next thing that is said once, as JSON.
    fn said<T: serde::de::DeserializeOwned>(&mut self, wanted: Kind, limit: Instant) -> Result<T, String> {
        loop {
            let whole = if self.form.json { self.line() } else { self.frame() };
            match whole.map_err(|e| format!("breaks the protocol: {e}"))? {
                Some((kind, bytes)) if self.form.json || kind == wanted => {
                    return serde_json::from_slice(&bytes).map_err(|e| format!("says something that cannot be read: {e}"));
                }
                Some((kind, _)) => return Err(format!("sends a frame of kind {} too early", kind as u8)),
                None => self.wait_for_bytes(limit)?,
            }
        }
    }

    fn wait_for_bytes(&mut self, limit: Instant) -> Result<(), String> {
        let left = limit.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("was not ready in time; raise `start_s` if it needs longer".into());
        }
        let before = self.inbox.len();
        match self.exchange(left) {
            Ok(false) => Ok(()),
            Ok(true) if self.inbox.len() > before => Ok(()),
            Ok(true) => Err("ended before it was ready".into()),
            Err(e) => Err(format!("cannot be talked to: {e}")),
        }
    }

    /// The number of its process.
    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// Whether an idle copy still lives.
    pub(super) fn lives(&mut self) -> bool {
        !has_ended(self.child.id()) && matches!(self.exchange(Duration::ZERO), Ok(false))
    }

    /// Puts work on its way; it is sent in the next turns.
    pub(super) fn post(&mut self, put: impl FnOnce(&mut Vec<u8>, &mut u64)) {
        put(&mut self.outbox, &mut self.lines.0);
    }

    /// Sends and receives for a while; returns as soon as something has come.
    pub(super) fn turn(&mut self, at_most: Duration) -> Turn {
        let mut turn = Turn::default();
        match self.exchange(at_most) {
            Ok(false) => {}
            Ok(true) | Err(_) => turn.over = Some(Over::Ended),
        }
        loop {
            let next = if self.form.json { self.replied() } else { self.judged() };
            match next {
                Ok(Some(mut units)) => turn.units.append(&mut units),
                Ok(None) => return turn,
                Err(error) => {
                    turn.over = Some(Over::Broke(error));
                    return turn;
                }
            }
        }
    }

    fn judged(&mut self) -> Result<Option<Vec<Vec<Verdict>>>, WireError> {
        match self.frame()? {
            None => Ok(None),
            Some((Kind::Verdicts, payload)) => verdict::units(&payload).map(Some),
            Some((kind, _)) => Err(WireError::Kind { found: kind as u8, wanted: "3 (verdicts)" }),
        }
    }

    fn replied(&mut self) -> Result<Option<Vec<Vec<Verdict>>>, WireError> {
        let Some((_, line)) = self.line()? else { return Ok(None) };
        let reply = Reply::read(&line)?;
        let wanted = self.lines.1;
        if reply.id != Some(wanted) {
            return Err(WireError::Json(format!("the reply has the id {:?}, item {wanted} is next", reply.id)));
        }
        self.lines.1 += 1;
        reply.verdicts().map(|unit| Some(vec![unit]))
    }

    fn frame(&mut self) -> Result<Option<(Kind, Vec<u8>)>, WireError> {
        let Some((kind, range)) = frame::first(&self.inbox, CAP)? else { return Ok(None) };
        let payload = self.inbox[range.clone()].to_vec();
        self.inbox.drain(..range.end);
        Ok(Some((kind, payload)))
    }

    fn line(&mut self) -> Result<Option<(Kind, Vec<u8>)>, WireError> {
        let end = self.inbox[self.searched..].iter().position(|b| *b == b'\n').map(|at| self.searched + at);
        match end {
            Some(end) => {
                self.searched = 0;
                let line = self.inbox.drain(..=end).collect();
                Ok(Some((Kind::Verdicts, line)))
            }
            None if self.inbox.len() > CAP => Err(WireError::TooLong { length: self.inbox.len(), cap: CAP }),
            None => {
                self.searched = self.inbox.len();
                Ok(None)
            }
        }
    }

    /// Sends what waits and receives what is there; true at the end of the stream.
    fn exchange(&mut self, at_most: Duration) -> io::Result<bool> {
        let writing = self.sent < self.outbox.len();
        let ready = wait_ready(self.socket.as_fd(), writing, self.ended.as_fd(), at_most)?;
        if ready.writable {
            self.send()?;
        }
        if ready.readable && self.receive()? {
            return Ok(true);
        }
        // What it said before it ended is still read.
        if ready.ended { self.receive().map(|_| true) } else { Ok(false) }
    }

    fn send(&mut self) -> io::Result<()> {
        match self.socket.write(&self.outbox[self.sent..]) {
            Ok(n) => self.sent += n,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // That it is gone is seen when it is read from; what it said before still counts.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => self.sent = self.outbox.len(),
            Err(e) => return Err(e),
        }
        if self.sent == self.outbox.len() {
            self.outbox.clear();
            self.sent = 0;
        }
        Ok(())
    }

    /// Reads what is there; true at the end of the stream. Stops when more than a frame has piled up.
    fn receive(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 1 << 16];
        while self.inbox.len() <= CAP + bytes.len() {
            match self.socket.read(&mut bytes) {
                Ok(0) => return Ok(true),
                Ok(n) => self.inbox.extend_from_slice(&bytes[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return Ok(true),
                Err(e) => return Err(e),
            }
        }
        Ok(false)
    }

    /// Lets a copy that is no longer wanted end by itself, for a moment; then kills what is left of it and of what it started.
    pub(super) fn dismiss(mut self) {
        let _ = self.socket.shutdown(Shutdown::Write);
        let start = Instant::now();
        while !has_ended(self.child.id()) && start.elapsed() < GRACE {
            let _ = wait_ready(self.socket.as_fd(), false, self.ended.as_fd(), Duration::from_millis(10));
            let _ = self.receive();
        }
        self.end();
    }

    /// Kills it with everything it has started; tells how it ended, and its last words. One that has closed its socket is ending: it gets a
    /// moment to do so, so that its own end can be told.
    pub(super) fn kill(mut self, closed: bool) -> String {
        let start = Instant::now();
        while closed && !has_ended(self.child.id()) && start.elapsed() < GRACE {
            std::thread::sleep(Duration::from_millis(1));
        }
        let by_itself = has_ended(self.child.id());
        let status = self.end();
        let how = match status {
            Some(status) if by_itself => ended_how(status),
            _ => "it was killed".to_owned(),
        };
        format!("{how}{}", self.words.text())
    }

    fn end(&mut self) -> Option<ExitStatus> {
        // Before it is waited for: its number is still its own, even if it has ended and only what it started lives.
        kill_group(self.child.id());
        self.child.wait().ok()
    }
}

fn ended_how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let name = match signal {
                4 => " (illegal instruction)",
                6 => " (abort)",
                7 => " (bus error)",
                9 => " (kill)",
                11 => " (segmentation fault, or the stack overflowed)",
                15 => " (terminate)",
                _ => "",
            };
            format!("it died of signal {signal}{name}")
        }
        (_, Some(code)) => format!("it ended with exit status {code}"),
        _ => "it ended".to_owned(),
    }
}
