//! Tokenizer, chat template and stop rules: messages to token ids and back.

mod chat;
mod error;
mod files;
mod gguf;
mod stop;
mod stream;
pub mod testing;
mod tokenizer;

pub use error::TextError;
pub use stop::{Found, StopMatcher};
pub use stream::StreamDecoder;
pub use tokenizer::Tokenizer;
