//! The readers and writers from outside: round trips, the peers' files, damage and hostility.

#![expect(clippy::unwrap_used, reason = "these are tests; the lint spares only the functions that are marked as such")]

mod gguf;
mod hostile;
mod mutations;
mod quantise;
mod safetensors;
mod support;

/// Counts the bytes that are allocated, for the claim that a reader takes no more memory than its file holds.
#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;
