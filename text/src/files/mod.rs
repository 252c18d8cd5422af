//! The files of a tokenizer in a Hugging Face directory, read and written.

mod read;
mod shapes;
mod write;

use collimate_types::TokenId;
use serde_json::{Map, Value};
use tokenizers::AddedToken;

use crate::chat::ChatTemplate;
use crate::special::Special;

pub(crate) use read::read;
pub(crate) use write::write;

/// Everything a tokenizer is made of, wherever it came from.
#[derive(Debug)]
pub(crate) struct Origin {
    /// The file that errors name.
    pub(crate) place: String,
    /// `tokenizer.json`, kept as it was read so that it is written back byte for byte.
    pub(crate) json: Vec<u8>,
    pub(crate) special: Special,
    /// Tokens that `tokenizer_config.json` lists with their ids, by id.
    pub(crate) added: Vec<(TokenId, AddedToken)>,
    pub(crate) template: Option<ChatTemplate>,
    /// `tokenizer_config.json` as it was read, for what we do not use ourselves.
    pub(crate) config: Map<String, Value>,
}
