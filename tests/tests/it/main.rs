//! Whole-system tests: they start the built `collimate` and look at what it prints and leaves behind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod resume;
mod support;
