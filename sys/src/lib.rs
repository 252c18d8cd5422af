//! The few system calls that no safe crate gives; with `bridge` the only place of `unsafe`. Linux, no LibTorch.
//!
//! A function here is safe to call and says in its errors what the system said; what it means is for the caller to tell.

pub mod pidfd;
pub mod shm;
pub mod socket;
