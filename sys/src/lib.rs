//! The few system calls that no safe crate gives, and thin safe names for their neighbours; with `bridge` the only place of `unsafe`. Linux,
//! no LibTorch.
//!
//! A child that runs somebody else's code is put into a process group of its own, so that everything it starts can be killed at once; it
//! gets limits before its first instruction; and it dies with the thread that started it. A function here is safe to call and says in its
//! errors what the system said; what it means is for the caller to tell.

#![allow(unsafe_code)]

mod child;
pub mod pidfd;
pub mod shm;
pub mod socket;
mod wait;

pub use child::{Limits, has_ended, isolate, kill_group};
pub use wait::{Ready, wait_ready, watch};
