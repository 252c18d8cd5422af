//! The controller against a simulated driver: whole runs in worlds where groups are stale, verdicts are missing, results come twice and
//! late, and stops come at any moment.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::type_complexity,
    unreachable_pub,
    reason = "helpers of tests fail by panicking and speak by printing"
)]

mod given;
mod laws;
mod pool;
mod resume;
mod rules;
mod saves;
mod world;
