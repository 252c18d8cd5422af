//! The plugin's side of the protocol.

use std::io::{self, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use collimate_types::{Answer, BoxError, InfraKind, Prompt, Reward, Rollout, RolloutGroup, Verdict};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, kill_current_process_group, set_parent_process_death_signal};

use crate::Plugin;
use crate::outbox::Outbox;
use crate::wire::frame::{self, Kind};
use crate::wire::item::{Reader, Received};
use crate::wire::{CAP, Init, MAGIC, PROTOCOL_VARIABLE, Ready, WireError};

/// How often the second thread looks whether verdicts wait.
const TICK: Duration = Duration::from_millis(50);
/// The exit status after a panic: the trainer starts a fresh copy, since nobody knows what the panic left behind.
const AFTER_PANIC: u8 = 101;

/// Runs a plugin until the trainer is done with it; [`main!`](crate::main) calls it. Call it from the main thread.
///
/// Started by hand it tells what it is; with `--describe` as JSON.
#[must_use]
pub fn serve(plugin: Plugin) -> ExitCode {
    if std::env::var_os(PROTOCOL_VARIABLE).is_none() {
        return by_hand(&plugin);
    }
    match run(plugin) {
        Ok(code) => code,
        // The trainer is gone: there is nobody left to serve, and nothing to say.
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "the reward plugin ends: {error}");
            ExitCode::FAILURE
        }
    }
}

fn by_hand(plugin: &Plugin) -> ExitCode {
    let name = &plugin.hello.name;
    if std::env::args().any(|a| a == "--describe") {
        let text = serde_json::to_string_pretty(&plugin.hello).unwrap_or_default();
        return if writeln!(io::stdout(), "{text}").is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let _ = writeln!(
        io::stderr(),
        "`{name}` {} is a reward plugin of Collimate; it is started by the trainer.\n\
         try it:      collimate reward test ./{name} cases.jsonl\n\
         train by it: collimate train RECIPE.toml reward=./{name}\n\
         settings:    ./{name} --describe",
        plugin.hello.version
    );
    ExitCode::from(2)
}

fn run(plugin: Plugin) -> io::Result<ExitCode> {
    let socket = take_socket()?;
    let mut reader = BufReader::with_capacity(1 << 18, socket.try_clone()?);
    let outbox = Arc::new(Outbox::new(socket.try_clone()?));
    (&socket).write_all(&MAGIC)?;
    outbox.say(Kind::Hello, &serde_json::to_vec(&plugin.hello)?)?;
    let mut payload = Vec::new();
    let init: Init = match frame::read(&mut reader, &mut payload, CAP)? {
        None => return Ok(ExitCode::SUCCESS),
        Some(Kind::Init) => serde_json::from_slice(&payload)?,
        Some(kind) => return Err(unexpected(kind, "16 (init)")),
    };
    watch(socket, outbox.clone())?;
    let reward = match (plugin.build)(init.config) {
        Ok(reward) => reward,
        Err(why) => {
            outbox.say(Kind::Ready, &serde_json::to_vec(&Ready::Refused(why))?)?;
            return Ok(ExitCode::from(2));
        }
    };
    outbox.say(Kind::Ready, &serde_json::to_vec(&Ready::Ready(true))?)?;
    loop {
        match frame::read(&mut reader, &mut payload, CAP)? {
            None => return Ok(ExitCode::SUCCESS),
            Some(Kind::Batch) => {}
            Some(kind) => return Err(unexpected(kind, "17 (batch)")),
        }
        let panicked = batch(reward.as_ref(), plugin.hello.whole_groups, &payload, &outbox)?;
        outbox.flush()?;
        if panicked {
            return Ok(ExitCode::from(AFTER_PANIC));
        }
    }
}

fn unexpected(kind: Kind, wanted: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, WireError::Kind { found: kind as u8, wanted })
}

/// Takes the socket off standard input, so that neither the reward's code nor what it starts can read the protocol away.
fn take_socket() -> io::Result<UnixStream> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let nothing = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    Ok(UnixStream::from(socket))
}

/// Starts the second thread. It sends verdicts that wait while the reward is slow, and when the trainer has died it kills this process with
/// everything the reward has started.
fn watch(socket: UnixStream, outbox: Arc<Outbox>) -> io::Result<()> {
    let look = move || {
        loop {
            let mut fds = [PollFd::new(&socket, PollFlags::empty())];
            let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
            let _ = poll(&mut fds, Some(&timeout));
            if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) {
                end_all();
            }
            let _ = outbox.flush();
        }
    };
    std::thread::Builder::new().name("collimate".into()).spawn(look)?;
    // From here on that thread takes care of the trainer's death; the kernel's signal would spare what the reward has started.
    let _ = set_parent_process_death_signal(None);
    Ok(())
}

/// The trainer has put this process, or the script that started it, into a group of its own.
fn end_all() {
    let _ = kill_current_process_group(Signal::KILL);
    std::process::exit(0);
}

/// Judges a batch; true after a panic.
fn batch(reward: &dyn Reward, whole_groups: bool, payload: &[u8], outbox: &Outbox) -> io::Result<bool> {
    let bad = |e: WireError| io::Error::new(io::ErrorKind::InvalidData, e);
    let mut items = Reader::new(payload);
    for _ in 0..items.number("a number of groups").map_err(bad)? {
        let prompt = items.prompt().map_err(bad)?;
        let count = items.number("a number of answers").map_err(bad)?;
        if whole_groups {
            let answers = (0..count).map(|_| items.answer()).collect::<Result<Vec<_>, _>>().map_err(bad)?;
            let group = RolloutGroup { prompt: Arc::new(prompt), rollouts: answers.into_iter().map(rollout).collect() };
            let (verdicts, panicked) = settle(count, || reward.score_group(&group));
            outbox.push(&verdicts)?;
            if panicked {
                return Ok(true);
            }
            continue;
        }
        for _ in 0..count {
            let answer = items.answer().map_err(bad)?;
            let (verdicts, panicked) = settle(1, || one(reward, &prompt, &answer));
            outbox.push(&verdicts)?;
            if panicked {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn one(reward: &dyn Reward, prompt: &Prompt, answer: &Received<'_>) -> Result<Vec<Verdict>, BoxError> {
    let view = Answer { text: answer.text, tokens: &answer.tokens, finish: &answer.finish };
    reward.score(prompt, &view).map(|v| vec![v])
}

/// What a plugin sees of a rollout.
fn rollout(answer: Received<'_>) -> Rollout {
    let (text, tokens, finish) = (answer.text.to_owned(), answer.tokens, answer.finish);
    Rollout { tokens, text, logp: Vec::new(), logp_behaviour: None, trained: Vec::new(), finish, versions: (0, 0) }
}

/// `n` verdicts whatever the reward does, and whether it panicked. The panic hook has printed where.
fn settle(n: usize, code: impl FnOnce() -> Result<Vec<Verdict>, BoxError>) -> (Vec<Verdict>, bool) {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(Ok(verdicts)) if verdicts.len() == n => (verdicts, false),
        Ok(Ok(verdicts)) => {
            let reason = format!("{} verdicts came back for {n} answers", verdicts.len());
            (vec![Verdict::Unscorable { reason }; n], false)
        }
        Ok(Err(error)) => (vec![Verdict::Unscorable { reason: error.to_string() }; n], false),
        Err(payload) => {
            let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let detail = text.unwrap_or("a panic without a message").to_owned();
            (vec![Verdict::InfraError { kind: InfraKind::Panic, retryable: false, detail }; n], true)
        }
    }
}
