//! The tokenizer as other crates use it: the real one against transformers, directories, GGUF metadata, prompts.

#![expect(clippy::unwrap_used, reason = "these are tests; the lint spares only the functions that are marked as such")]

mod directory;
mod metadata;
mod prompts;
mod real;
