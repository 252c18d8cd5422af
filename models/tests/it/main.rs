//! Tests of whole models: against transformers' numbers, and the packed forward against the plain one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::type_complexity,
    unreachable_pub,
    reason = "helpers of tests fail by panicking and speak by printing"
)]

mod gradients;
mod lora;
mod real;
mod scores;
mod support;
mod tiny;
