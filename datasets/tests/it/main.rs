//! The crate's tests through its public door.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod corpus;
mod formats;
mod hub;
mod killed;
mod loading;
mod python;
mod rules;
