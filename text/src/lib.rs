//! Tokenizer, chat template and stop rules: messages to token ids and back.
//!
//! A [`Tokenizer`] is read from a Hugging Face directory or rebuilt from the metadata of a GGUF file; either way its ids are those of the
//! `tokenizers` library, and [`Tokenizer::files`] writes it back for transformers. A [`StreamDecoder`] and a [`StopMatcher`] follow one
//! completion token by token, in time proportional to its length:
//!
//! ```
//! use collimate_text::{StopMatcher, StreamDecoder, testing::byte_tokenizer};
//! # fn main() -> Result<(), collimate_text::TextError> {
//! let tokenizer = byte_tokenizer();
//! let (mut decoder, mut stops) = (StreamDecoder::new(&tokenizer), StopMatcher::new(&["\n\n".to_owned()]));
//! let mut answer = String::new();
//! for token in tokenizer.encode("42\n\nQuestion:")? {
//!     let found = stops.push(&decoder.push(token)?.unwrap_or_default());
//!     answer.push_str(&found.text);
//!     if found.stopped {
//!         break;
//!     }
//! }
//! assert_eq!(answer, "42");
//! # Ok(())
//! # }
//! ```

mod bytes;
mod chat;
mod error;
mod files;
mod gguf;
mod pieces;
mod pre;
mod special;
mod stop;
mod stream;
pub mod testing;
mod tokenizer;

pub use error::TextError;
pub use stop::{Found, StopMatcher};
pub use stream::StreamDecoder;
pub use tokenizer::Tokenizer;
