//! Progress on standard error: standard output belongs to what a task runs (the demo's last line is JSON).

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Prints one line on standard error. A closed standard error stops nobody's work.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints the heading of a step and starts its clock.
pub(crate) fn heading(text: &str) -> Instant {
    line(&format!("\n== {text}"));
    Instant::now()
}

/// Seconds with one digit, as all tasks print them.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Megabytes (10^6 bytes), as all tasks print them.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

/// Where a tool's chatter goes, so that standard output stays clean.
pub(crate) fn to_stderr() -> Stdio {
    Stdio::from(std::io::stderr())
}
