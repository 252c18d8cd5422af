//! cargo-deny: licences, sources and bans of the lock file; advisories where their database can be reached.

use std::io::Read as _;
use std::process::{ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use crate::checkout::Checkout;
use crate::ci::Outcome;
use crate::{Done, say};

/// The version that ci installs where there is none; any other that is installed serves.
const VERSION: &str = "0.20.2";
/// A blocked network may swallow packets for ever.
const FETCH_LIMIT: Duration = Duration::from_secs(90);

/// Checks what needs no network beyond the crates themselves.
pub(crate) fn check(here: &Checkout) -> Outcome {
    let done =
        install(here).and_then(|()| pass(here.cargo().args(["deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"])));
    done.map_or_else(Outcome::Failed, |()| Outcome::Passed)
}

/// Checks advisories, or tells why it cannot.
pub(crate) fn advisories(here: &Checkout) -> Outcome {
    if let Err(why) = install(here) {
        return Outcome::Failed(why);
    }
    match fetch(here) {
        Err(why) => Outcome::Skipped(format!("the advisory database cannot be reached: {why}")),
        Ok(()) => pass(here.cargo().args(["deny", "check", "--disable-fetch", "--hide-inclusion-graph", "advisories"]))
            .map_or_else(Outcome::Failed, |()| Outcome::Passed),
    }
}

fn install(here: &Checkout) -> Done {
    if here.cargo().args(["deny", "--version"]).output().is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    say::line(&format!("installing cargo-deny {VERSION}, once"));
    pass(here.cargo().args(["install", "cargo-deny", "--locked", "--version", VERSION]))
}

fn pass(command: &mut Command) -> Done {
    let status = command.stdin(Stdio::null()).stdout(say::to_stderr()).status().map_err(|e| format!("cannot run cargo: {e}"))?;
    if status.success() { Ok(()) } else { Err("the messages are above".to_owned()) }
}

/// Fetches the advisory database, for a bounded time.
fn fetch(here: &Checkout) -> Done {
    let mut child = here
        .cargo()
        .args(["deny", "fetch", "db"])
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot run cargo: {e}"))?;
    let end = Instant::now() + FETCH_LIMIT;
    while Instant::now() < end {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("`cargo deny fetch db` ended with {status}: {}", last_line(child.stderr.take()))),
            Ok(None) => std::thread::sleep(Duration::from_millis(100)),
            Err(error) => return Err(error.to_string()),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(format!("no answer in {}", say::seconds(FETCH_LIMIT)))
}

/// The reason a failed tool gave last.
fn last_line(stderr: Option<ChildStderr>) -> String {
    let mut text = String::new();
    if let Some(mut stderr) = stderr {
        // A reason that is not text is no worse than none.
        let _ = stderr.read_to_string(&mut text);
    }
    text.trim().lines().last().unwrap_or("no reason given").to_owned()
}
