//! Runs under strace: to see every call, or to hit one of them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::point::{CALLS, Call, PID, Point, parse};

/// Why strace cannot be used here, if it cannot.
pub(crate) fn refused() -> Option<String> {
    let tried = Command::new("strace").args(["-f", "--seccomp-bpf", "-D", "-o", "/dev/null", "-e", "trace=fsync", "true"]).output();
    match tried {
        Err(error) => Some(format!("strace cannot be started ({error}); install it, e.g. `apt-get install strace`")),
        Ok(output) if !output.status.success() => {
            Some(format!("ptrace is refused here: {}", String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default()))
        }
        Ok(_) => None,
    }
}

/// What is done to the call that is hit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hit {
    /// The process is killed before the call does anything.
    Kill,
    /// The call fails with this error and does nothing.
    Error(&'static str),
    /// It and all later ones like it fail.
    Errors(&'static str),
}

/// A command under strace. The tracer runs beside it, not above it, so that the process keeps the number that its shell has: paths that hold
/// the number are known before it starts.
fn under(words: &[String], command: &Command) -> Command {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''").replace(PID, "'$$'"));
    let own = std::iter::once(command.get_program()).chain(command.get_args()).map(|w| w.to_string_lossy().into_owned());
    let all: Vec<String> = words.iter().cloned().chain(own).map(|w| quoted(&w)).collect();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("exec strace {}", all.join(" "))).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|w| (*w).to_owned()).collect()
}

/// Runs a command to its end and gives its output and its calls, in order.
pub(crate) fn watch(command: &Command, log: &Path) -> (Output, Vec<Call>) {
    let path = log.display().to_string();
    let trace = format!("trace={CALLS}");
    let shell = under(&words(&["-D", "-f", "--seccomp-bpf", "-y", "-s", "4096", "-o", &path, "-e", &trace]), command);
    let (pid, output) = finish(shell);
    let text = fs::read_to_string(log).unwrap_or_default();
    (output, text.lines().filter_map(|line| parse(line, pid)).collect())
}

/// Runs a command that is hit at a point.
pub(crate) fn hit(command: &Command, point: &Point, how: Hit) -> Output {
    let what = match how {
        Hit::Kill => format!("signal=KILL:when={}", point.k),
        Hit::Error(errno) => format!("error={errno}:when={}", point.k),
        Hit::Errors(errno) => format!("error={errno}:when={}+", point.k),
    };
    let (trace, inject) = (format!("trace={}", point.call), format!("inject={}:{what}", point.call));
    // Not `--seccomp-bpf`, which is quicker: strace 6.1 injects nothing under it.
    let mut list = words(&["-D", "-f", "-o", "/dev/null", "-e", &trace, "-e", &inject]);
    for path in candidates(&point.path) {
        list.extend(["-P".to_owned(), path]);
    }
    finish(under(&list, command)).1
}

/// The paths that a path of the watched run may have in this one: the name of an event file holds the second in which the run began.
fn candidates(path: &str) -> Vec<String> {
    const EVENTS: &str = "/events.out.tfevents.";
    let Some((before, after)) = path.split_once(EVENTS) else { return vec![path.to_owned()] };
    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_secs());
    (now..now + 20).map(|second| format!("{before}{EVENTS}{second}{rest}")).collect()
}

fn finish(mut shell: Command) -> (u32, Output) {
    let child = shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sh can be started");
    let pid = child.id();
    (pid, child.wait_with_output().unwrap())
}
