//! Learners on the tiny model.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "helpers of tests fail by panicking")]

mod credit;
mod critic;
mod support;
