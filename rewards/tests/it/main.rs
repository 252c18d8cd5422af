//! Rewards that live outside this program, and everything that can go wrong with them. The names R1 to R9 are rows of the fault table in
//! docs/rewards.md.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on shall panic, and says what it skips")]

mod corpus;
mod faulty;
mod http;
mod json_lines;
mod plugin;
mod plugin_hard;
mod support;
