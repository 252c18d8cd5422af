//! Tokens to text, one at a time.

use collimate_types::TokenId;

use crate::{TextError, Tokenizer};

/// Decodes a growing list of tokens without decoding all of it each time, and never gives half a character.
#[derive(Debug)]
pub struct StreamDecoder<'t> {
    tokenizer: &'t Tokenizer,
    /// Tokens whose text may still depend on what follows, after one whose text is given already.
    window: Vec<TokenId>,
    /// Bytes of the window's text that were given.
    given: usize,
}

/// A character takes at most four byte tokens; more waiting than that is not waiting for its rest.
const LONGEST_WAIT: usize = 8;

impl<'t> StreamDecoder<'t> {
    /// A decoder at the start of a completion.
    #[must_use]
    pub fn new(tokenizer: &'t Tokenizer) -> Self {
        Self { tokenizer, window: Vec::new(), given: 0 }
    }

    /// Takes a token; gives the text that became whole, special tokens left out.
    ///
    /// # Errors
    /// When the tokenizer does not know the token.
    pub fn push(&mut self, token: TokenId) -> Result<Option<String>, TextError> {
        self.window.push(token);
        let text = self.tokenizer.decode(&self.window, true)?;
        let waiting = text.ends_with('\u{fffd}') && self.window.len() < LONGEST_WAIT;
        if waiting || text.len() <= self.given || !text.is_char_boundary(self.given) {
            return Ok(None);
        }
        let new = text[self.given..].to_owned();
        // The last token stays: some decoders treat the first token of a text differently.
        self.window.drain(..self.window.len() - 1);
        self.given = self.tokenizer.decode(&self.window, true)?.len();
        Ok(Some(new))
    }

    /// What was waiting for its rest, as replacement characters.
    ///
    /// # Errors
    /// As [`StreamDecoder::push`].
    pub fn finish(&mut self) -> Result<String, TextError> {
        let text = self.tokenizer.decode(&self.window, true)?;
        self.window.clear();
        let rest = text.get(self.given..).unwrap_or_default().to_owned();
        self.given = 0;
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
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
        out.push_str(&decoder.finish().unwrap());
        assert_eq!(out, text);
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
}
