//! Whole-system tests: they start the built `collimate` and look at what it prints and leaves behind.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on shall panic, and says what it skips")]

mod added;
mod bad_data;
mod bad_models;
mod bad_recipes;
mod checkpoints;
mod command_lines;
mod corpus;
mod data;
mod dying;
mod evaluating;
mod generating;
mod given;
mod lora;
mod parity;
mod peers;
mod plugins;
mod ppo;
mod recipes;
mod resume;
mod reward_models;
mod selftest;
mod signals;
mod support;
