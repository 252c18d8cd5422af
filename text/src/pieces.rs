//! What each token of a byte-level vocabulary writes, as bytes.

use collimate_types::TokenId;
use tokenizers::DecoderWrapper;

use crate::bytes::byte_of;

/// The bytes of every token, end to end: decoding is a lookup and needs no string per token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pieces {
    bytes: Vec<u8>,
    /// `[V]` where each token's bytes end.
    ends: Vec<u32>,
}

impl Pieces {
    /// The table of a tokenizer whose decoder is byte-level; others have none, because what a token writes depends on its neighbours.
    pub(crate) fn of(tokenizer: &tokenizers::Tokenizer, vocab: usize) -> Option<Self> {
        if !matches!(tokenizer.get_decoder(), Some(DecoderWrapper::ByteLevel(_))) {
            return None;
        }
        let mut pieces = Self { bytes: Vec::new(), ends: Vec::with_capacity(vocab) };
        for id in 0..vocab as TokenId {
            // An id without a token, as padded vocabularies have them, writes nothing.
            pieces.write(&tokenizer.id_to_token(id).unwrap_or_default());
            pieces.ends.push(u32::try_from(pieces.bytes.len()).ok()?);
        }
        Some(pieces)
    }

    fn write(&mut self, token: &str) {
        let start = self.bytes.len();
        for c in token.chars() {
            let Some(byte) = byte_of(c) else {
                // A token with a character outside the alphabet (an added one) stands for itself as a whole.
                self.bytes.truncate(start);
                self.bytes.extend_from_slice(token.as_bytes());
                return;
            };
            self.bytes.push(byte);
        }
    }

    /// The bytes of a token; none for an id that has no token.
    pub(crate) fn get(&self, id: TokenId) -> &[u8] {
        let id = id as usize;
        let Some(&end) = self.ends.get(id) else { return &[] };
        let start = id.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start as usize..end as usize]
    }
}
