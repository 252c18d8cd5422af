//! The tokenizer as other crates use it: the real one against transformers, directories, GGUF metadata, prompts.

mod directory;
mod metadata;
mod prompts;
mod real;
