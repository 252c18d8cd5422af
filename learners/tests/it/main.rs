//! Learners on the tiny model: against the plain padded way, and the laws of one update.
#![allow(clippy::unwrap_used, clippy::type_complexity, unreachable_pub, reason = "helpers of tests fail by panicking")]

mod credit;
mod credited;
mod critic;
mod gradients;
mod laws;
mod support;
