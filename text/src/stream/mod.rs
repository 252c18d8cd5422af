//! Tokens to text, one at a time.

mod utf8;
mod window;

use collimate_types::TokenId;

use crate::{TextError, Tokenizer};
use utf8::Utf8;
use window::Window;

/// Decodes a growing list of tokens without decoding all of it each time, and never gives half a character.
///
/// For a byte-level tokenizer the pieces together are exactly [`Tokenizer::decode`] of the list, and a token costs no more than its bytes.
/// For others a short window is decoded each time; a run of byte tokens that is no character may then come out with other replacement
/// characters than from the whole list.
#[derive(Debug)]
pub struct StreamDecoder<'t> {
    tokenizer: &'t Tokenizer,
    skip_special: bool,
    state: State,
}

/// What is not text yet.
#[derive(Debug)]
enum State {
    Bytes(Utf8),
    Tokens(Window),
}

impl<'t> StreamDecoder<'t> {
    /// A decoder at the start of an answer: special tokens are left out.
    #[must_use]
    pub fn new(tokenizer: &'t Tokenizer) -> Self {
        Self::with_special(tokenizer, true)
    }

    /// A decoder that leaves special tokens out, or shows them.
    #[must_use]
    pub fn with_special(tokenizer: &'t Tokenizer, skip_special: bool) -> Self {
        let bytes = tokenizer.pieces().is_some();
        let state = if bytes { State::Bytes(Utf8::default()) } else { State::Tokens(Window::default()) };
        Self { tokenizer, skip_special, state }
    }

    /// Takes a token; gives the text that became whole, if any.
    ///
    /// # Errors
    /// When the tokenizer's decoder fails; a byte-level one never does.
    pub fn push(&mut self, token: TokenId) -> Result<Option<String>, TextError> {
        if self.skip_special && self.tokenizer.is_special(token) {
            return Ok(None);
        }
        let text = match &mut self.state {
            State::Bytes(utf8) => utf8.push(self.tokenizer.pieces().map_or(&[], |p| p.get(token))),
            State::Tokens(window) => window.push(token, |ids| self.tokenizer.decode(ids, self.skip_special))?,
        };
        Ok(Some(text).filter(|t| !t.is_empty()))
    }

    /// What was waiting for its rest, as replacement characters.
    ///
    /// # Errors
    /// As [`StreamDecoder::push`].
    pub fn finish(&mut self) -> Result<String, TextError> {
        match &mut self.state {
            State::Bytes(utf8) => Ok(utf8.finish()),
            State::Tokens(window) => window.finish(|ids| self.tokenizer.decode(ids, self.skip_special)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::byte_tokenizer;

    #[test]
    fn no_character_is_ever_cut() {
        let tokenizer = byte_tokenizer();
        let text = "naïve — 日本語 🙂!";
        let mut decoder = StreamDecoder::new(&tokenizer);
        let mut out = String::new();
        for id in tokenizer.encode(text).unwrap() {
            let piece = decoder.push(id).unwrap().unwrap_or_default();
            assert!(!piece.contains('\u{fffd}'), "{piece}");
            out.push_str(&piece);
        }
        assert_eq!((out.as_str(), decoder.finish().unwrap().as_str()), (text, ""));
    }

    #[test]
    fn a_broken_end_is_given_at_the_finish() {
        let tokenizer = byte_tokenizer();
        let ids = tokenizer.encode("aé").unwrap();
        let mut decoder = StreamDecoder::new(&tokenizer);
        assert_eq!(decoder.push(ids[0]).unwrap().as_deref(), Some("a"));
        assert_eq!(decoder.push(ids[1]).unwrap(), None);
        assert_eq!(decoder.finish().unwrap(), "\u{fffd}");
    }

    #[test]
    fn special_tokens_are_left_out_or_shown() {
        let tokenizer = byte_tokenizer();
        assert_eq!(StreamDecoder::new(&tokenizer).push(2).unwrap(), None);
        assert_eq!(StreamDecoder::with_special(&tokenizer, false).push(2).unwrap().as_deref(), Some("<|im_end|>"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn any_tokens_stream_to_what_they_decode_to(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xe6), Just(0x97)], 0..40), skip: bool) {
            let tokenizer = byte_tokenizer();
            // 259 to 300 have no token, as in a padded vocabulary.
            let ids: Vec<TokenId> = bytes.iter().enumerate().map(|(i, b)| u32::from(*b) + (i as u32 % 7) * 8).collect();
            let mut decoder = StreamDecoder::with_special(&tokenizer, skip);
            let mut text = String::new();
            for id in &ids {
                text.push_str(&decoder.push(*id).unwrap().unwrap_or_default());
            }
            text.push_str(&decoder.finish().unwrap());
            prop_assert_eq!(text, tokenizer.decode(&ids, skip).unwrap());
        }
    }
}
