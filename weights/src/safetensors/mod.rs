//! Safetensors: a JSON header and plain tensors without gaps (<https://github.com/huggingface/safetensors>, "Format").
//!
//! The header is parsed here and not by the format's own crate because that one wants the whole file in memory, keeps the last of two equal
//! keys, and does not say which tensor or byte is wrong. The tests hold both to the same files.

mod dir;
mod file;
mod header;
mod json;
mod write;

pub use dir::SafetensorsDir;
pub use file::SafetensorsFile;
pub use write::{Outgoing, write};
