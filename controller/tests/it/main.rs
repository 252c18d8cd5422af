//! The controller against a simulated driver: whole runs in worlds where groups are stale, verdicts are missing, results come twice and
//! late, and stops come at any moment.

mod laws;
mod resume;
mod rules;
mod world;
