//! Laws that hold between the actor's and the learner's parts, which only this crate sees together.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests fail by panicking and speak by printing")]

mod reuse;
