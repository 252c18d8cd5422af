//! The few system calls that no safe crate gives, and thin safe names for their neighbours. Linux.
//!
//! A child that runs somebody else's code is put into a process group of its own, so that everything it starts can be killed at once; it
//! gets limits before its first instruction; and it dies with the thread that started it.

#![allow(unsafe_code)]

mod child;
mod wait;

pub use child::{Limits, has_ended, isolate, kill_group};
pub use wait::{Ready, wait_ready, watch};
