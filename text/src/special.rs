//! Tokens with a meaning of their own.

use collimate_types::TokenId;

/// The special tokens by role, as texts, and every id that ends a sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Special {
    pub(crate) bos: Option<String>,
    pub(crate) eos: Option<String>,
    pub(crate) pad: Option<String>,
    pub(crate) unk: Option<String>,
    /// Further tokens that are cut out of the text whole and left out of answers.
    pub(crate) extra: Vec<String>,
    /// Every id that ends a sequence, the tokenizer's own first.
    pub(crate) ends: Vec<TokenId>,
}

impl Special {
    /// The roles that are filled, by the names that files and templates use.
    pub(crate) fn roles(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [("bos_token", &self.bos), ("eos_token", &self.eos), ("pad_token", &self.pad), ("unk_token", &self.unk)];
        all.into_iter().filter_map(|(name, token)| Some((name, token.as_deref()?)))
    }

    /// Adds ids that end a sequence, each once.
    pub(crate) fn add_ends(&mut self, ids: impl IntoIterator<Item = TokenId>) {
        for id in ids {
            if !self.ends.contains(&id) {
                self.ends.push(id);
            }
        }
    }
}
