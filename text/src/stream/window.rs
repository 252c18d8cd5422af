//! Tokens whose text depends on their neighbours: a short window is decoded anew with each token.

use collimate_types::TokenId;

/// A character takes at most four byte tokens; more waiting than that is not waiting for its rest.
const LONGEST_WAIT: usize = 8;

/// The tokens of the last text that was given, and those that came after it.
///
/// The first are kept because decoders treat the beginning of a list differently (they drop its space), and because the window must not
/// begin inside a run of byte tokens.
#[derive(Debug, Default)]
pub(super) struct Window {
    tokens: Vec<TokenId>,
    /// How many of the tokens are given already.
    old: usize,
    /// The text of those.
    given: String,
}

impl Window {
    /// Takes a token; gives the text that became whole.
    pub(super) fn push<E>(&mut self, token: TokenId, decode: impl Fn(&[TokenId]) -> Result<String, E>) -> Result<String, E> {
        self.tokens.push(token);
        let text = decode(&self.tokens)?;
        let new = text.strip_prefix(&self.given).unwrap_or_default();
        let whole = !new.is_empty() && !new.ends_with(char::REPLACEMENT_CHARACTER);
        if !whole && self.tokens.len() - self.old < LONGEST_WAIT {
            return Ok(String::new());
        }
        let new = new.to_owned();
        self.tokens.drain(..self.old);
        self.old = self.tokens.len();
        self.given = decode(&self.tokens)?;
        Ok(new)
    }

    /// What no further token will complete.
    pub(super) fn finish<E>(&mut self, decode: impl Fn(&[TokenId]) -> Result<String, E>) -> Result<String, E> {
        let text = decode(&self.tokens)?;
        let rest = text.strip_prefix(&self.given).unwrap_or_default().to_owned();
        *self = Self::default();
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use tokenizers::Tokenizer;

    use super::*;

    /// A vocabulary in SentencePiece's manner: `▁` for a space, bytes of what it does not know, the first space of a text dropped.
    fn sentence_piece() -> Tokenizer {
        let mut vocab = serde_json::Map::from_iter([("▁a".to_owned(), 0.into()), ("b".to_owned(), 1.into())]);
        vocab.extend((0..256_u32).map(|b| (format!("<0x{b:02X}>"), (b + 2).into())));
        let json = serde_json::json!({
            "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
            "decoder": { "type": "Sequence", "decoders": [
                { "type": "Replace", "pattern": { "String": "▁" }, "content": " " }, { "type": "ByteFallback" }, { "type": "Fuse" },
                { "type": "Strip", "content": " ", "start": 1, "stop": 0 } ] },
            "model": { "type": "BPE", "vocab": vocab, "merges": [], "byte_fallback": true },
        });
        serde_json::from_value(json).unwrap()
    }

    fn stream(ids: &[TokenId]) -> (Vec<String>, String) {
        let tokenizer = sentence_piece();
        let decode = |ids: &[TokenId]| tokenizer.decode(ids, false);
        let mut window = Window::default();
        let mut pieces: Vec<String> = ids.iter().map(|id| window.push(*id, decode).unwrap()).collect();
        pieces.push(window.finish(decode).unwrap());
        (pieces, tokenizer.decode(ids, false).unwrap())
    }

    #[test]
    fn spaces_and_characters_of_several_byte_tokens_come_out_as_from_the_whole_list() {
        let bytes = |text: &str| text.bytes().map(|b| u32::from(b) + 2).collect::<Vec<_>>();
        let ids = [vec![0, 0, 1], bytes("日本é"), vec![0], bytes("🙂"), vec![1]].concat();
        let (pieces, whole) = stream(&ids);
        assert_eq!(whole, "a ab日本é a🙂b");
        assert_eq!(pieces.concat(), whole);
        assert!(pieces.iter().all(|p| !p.contains('\u{fffd}')), "{pieces:?}");
    }

    #[test]
    fn bytes_that_are_no_character_do_not_pile_up() {
        let tokenizer = sentence_piece();
        let decode = |ids: &[TokenId]| tokenizer.decode(ids, false);
        let mut window = Window::default();
        for _ in 0..1000 {
            window.push(0x80 + 2, decode).unwrap();
            assert!(window.tokens.len() <= 2 * LONGEST_WAIT);
        }
    }
}
