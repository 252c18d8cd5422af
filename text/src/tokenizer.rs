//! Text to token ids and back, and conversations to prompts.

use std::path::Path;
use std::sync::Arc;

use collimate_types::{Message, Prompt, Task, TokenId};
use collimate_weights::gguf::Gguf;
use tokenizers::AddedToken;

use crate::chat::ChatTemplate;
use crate::error::{RESTORE, TextError};
use crate::files::{self, Origin};
use crate::gguf;
use crate::pieces::Pieces;
use crate::special::Special;

/// The largest vocabulary that is believed; the largest published ones have some 260,000 tokens.
const MAX_VOCAB: usize = 1 << 22;

/// A tokenizer with the model's special tokens and chat template. Cloning it copies a pointer.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
}

struct Inner {
    library: tokenizers::Tokenizer,
    origin: Origin,
    /// `[V]` whether a token is special.
    special: Vec<bool>,
    pieces: Option<Pieces>,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (place, special) = (&self.inner.origin.place, &self.inner.origin.special);
        f.debug_struct("Tokenizer")
            .field("place", place)
            .field("vocab", &self.vocab_size())
            .field("special", special)
            .finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Reads `tokenizer.json` and what stands beside it in a Hugging Face directory: `tokenizer_config.json`, `special_tokens_map.json`,
    /// `chat_template.jinja`, and the ends of a sequence in `generation_config.json` or `config.json`.
    ///
    /// # Errors
    /// When a file is missing, malformed (with line and column) or contradicts another.
    pub fn from_dir(dir: &Path) -> Result<Self, TextError> {
        Self::new(files::read(dir)?)
    }

    /// Rebuilds a byte-level tokenizer from the metadata of a GGUF file.
    ///
    /// # Errors
    /// When a key is missing or the tokenizer is of another kind.
    pub fn from_gguf(file: &Gguf) -> Result<Self, TextError> {
        Self::new(gguf::rebuild(file)?)
    }

    pub(crate) fn new(mut origin: Origin) -> Result<Self, TextError> {
        let place = origin.place.clone();
        let mut library = parse(&origin.json, &place)?;
        let refused = |e: tokenizers::Error| TextError::malformed(&place, e.to_string(), RESTORE);
        // A tokenizer may have been saved while it cut or padded a batch; a prompt must come through whole.
        library.with_truncation(None).map_err(refused)?.with_padding(None);
        if complete(&mut library, &origin)? {
            origin.json = library.to_string(true).map_err(refused)?.into_bytes();
        }
        let vocab = library.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        if vocab > MAX_VOCAB {
            let what = format!("the largest token id is {}; {MAX_VOCAB} tokens are the most a vocabulary can have", vocab - 1);
            return Err(TextError::malformed(&place, what, RESTORE));
        }
        let own = origin.special.eos.as_deref().and_then(|t| library.token_to_id(t));
        let listed = std::mem::take(&mut origin.special.ends);
        origin.special.add_ends(own.into_iter().chain(listed));
        let added = library.get_added_vocabulary();
        let special = (0..vocab as TokenId).map(|id| library.id_to_token(id).is_some_and(|t| added.is_special_token(&t))).collect();
        let pieces = Pieces::of(&library, vocab);
        Ok(Self { inner: Arc::new(Inner { library, origin, special, pieces }) })
    }

    /// Token ids of a text as it stands. Special tokens written in it are recognised; none is added.
    ///
    /// # Errors
    /// When the tokenizer cannot encode it.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, TextError> {
        self.encode_with(text, false)
    }

    /// Token ids of a text; `add_special` lets the tokenizer add what its post-processor adds (a beginning-of-sequence token, say).
    ///
    /// # Errors
    /// When the tokenizer cannot encode it.
    pub fn encode_with(&self, text: &str, add_special: bool) -> Result<Vec<TokenId>, TextError> {
        // The fast form leaves out offsets, which nobody here reads. No path of a single text uses the library's thread pool.
        let encoding = self.inner.library.encode_fast(text, add_special).map_err(|e| TextError::Tokenizer(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of token ids, broken UTF-8 as U+FFFD. An id that has no token (models pad their vocabularies) writes nothing.
    ///
    /// # Errors
    /// When the tokenizer's decoder fails; a byte-level one never does.
    pub fn decode(&self, ids: &[TokenId], skip_special: bool) -> Result<String, TextError> {
        let Some(pieces) = &self.inner.pieces else {
            return self.inner.library.decode(ids, skip_special).map_err(|e| TextError::Tokenizer(e.to_string()));
        };
        let shown = ids.iter().filter(|id| !(skip_special && self.is_special(**id)));
        let bytes: Vec<u8> = shown.flat_map(|id| pieces.get(*id)).copied().collect();
        Ok(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
    }

    /// V: one more than the largest id, added tokens included. The model's own vocabulary may be padded beyond it.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.inner.special.len()
    }

    /// Every id that ends a sequence, the tokenizer's own first.
    #[must_use]
    pub fn eos_ids(&self) -> &[TokenId] {
        &self.special().ends
    }

    /// The end-of-sequence token.
    #[must_use]
    pub fn eos(&self) -> Option<TokenId> {
        self.special().ends.first().copied()
    }

    /// The beginning-of-sequence token.
    #[must_use]
    pub fn bos(&self) -> Option<TokenId> {
        self.id(self.special().bos.as_deref())
    }

    /// The padding token.
    #[must_use]
    pub fn pad(&self) -> Option<TokenId> {
        self.id(self.special().pad.as_deref())
    }

    /// Whether a token is special: left out of answers.
    #[must_use]
    pub fn is_special(&self, id: TokenId) -> bool {
        self.inner.special.get(id as usize).copied().unwrap_or(false)
    }

    /// Whether conversations can be rendered.
    #[must_use]
    pub fn has_chat_template(&self) -> bool {
        self.inner.origin.template.is_some()
    }

    /// A conversation as text, with the beginning of the answer if `generation_prompt`.
    ///
    /// # Errors
    /// When there is no template, or it fails, refuses the conversation or does not come to an end.
    pub fn render_chat(&self, messages: &[Message], generation_prompt: bool) -> Result<String, TextError> {
        let template: &ChatTemplate = self.inner.origin.template.as_ref().ok_or(TextError::NoTemplate)?;
        template.render(messages, generation_prompt, self.special())
    }

    /// A task ready for the policy: its text with what the post-processor adds, or its messages through the template, as they are rendered.
    ///
    /// # Errors
    /// When the text cannot be encoded, the conversation not rendered, or nothing is left.
    pub fn prompt(&self, task: Arc<Task>) -> Result<Prompt, TextError> {
        let (text, tokens) = match &task.text {
            Some(_) if !task.messages.is_empty() => return Err(TextError::TwoPrompts { task: task.id.clone() }),
            None if task.messages.is_empty() => return Err(TextError::EmptyPrompt { task: task.id.clone() }),
            Some(text) if text.is_empty() => return Err(TextError::EmptyPrompt { task: task.id.clone() }),
            Some(text) => (text.clone(), self.encode_with(text, true)?),
            None => {
                // The template writes every special token itself.
                let text = self.render_chat(&task.messages, true)?;
                let tokens = self.encode(&text)?;
                (text, tokens)
            }
        };
        if tokens.is_empty() {
            return Err(TextError::EmptyPrompt { task: task.id.clone() });
        }
        Ok(Prompt { task, text, tokens })
    }

    /// The files that make a directory loadable by transformers' `AutoTokenizer`; [`Tokenizer::from_dir`] of them is this tokenizer.
    ///
    /// Ends of a sequence beyond the end-of-sequence token stand in the model's `generation_config.json`, which is not among them.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        files::write(&self.inner.origin)
    }

    /// The bytes of each token, if the decoder is byte-level.
    pub(crate) fn pieces(&self) -> Option<&Pieces> {
        self.inner.pieces.as_ref()
    }

    fn special(&self) -> &Special {
        &self.inner.origin.special
    }

    fn id(&self, token: Option<&str>) -> Option<TokenId> {
        self.inner.library.token_to_id(token?)
    }
}

/// Reads `tokenizer.json`. The library panics at some contradictions; to the caller that is one more malformed file.
fn parse(json: &[u8], place: &str) -> Result<tokenizers::Tokenizer, TextError> {
    let read = std::panic::catch_unwind(|| serde_json::from_slice(json));
    read.map_err(|_| TextError::malformed(place, "the tokenizers library cannot read it", RESTORE))?.map_err(|e| TextError::json(place, &e))
}

/// Adds the tokens that only the files beside `tokenizer.json` name, as transformers does, and marks the special ones. Says whether
/// anything had to be added.
fn complete(library: &mut tokenizers::Tokenizer, origin: &Origin) -> Result<bool, TextError> {
    let refused = |e: tokenizers::Error| TextError::malformed(&origin.place, e.to_string(), RESTORE);
    let mut changed = false;
    for (id, token) in &origin.added {
        if library.token_to_id(&token.content) == Some(*id) && library.get_added_vocabulary().get_vocab().contains_key(&token.content) {
            continue;
        }
        library.add_tokens([token.clone()]).map_err(refused)?;
        changed = true;
        let got = library.token_to_id(&token.content);
        if got != Some(*id) {
            let what = format!("token `{}` has id {got:?} where `tokenizer_config.json` says {id}", token.content);
            return Err(TextError::malformed(&origin.place, what, "restore both files from the model's source"));
        }
    }
    for (role, token) in origin.special.roles() {
        if library.token_to_id(token).is_none() && role != "unk_token" {
            let what = format!("`{role}` is `{token}`, which the vocabulary does not hold");
            return Err(TextError::malformed(&origin.place, what, "name a token of `tokenizer.json` in `tokenizer_config.json`"));
        }
    }
    let named = origin.special.roles().map(|(_, token)| token).chain(origin.special.extra.iter().map(String::as_str));
    for token in named.collect::<Vec<_>>() {
        if library.token_to_id(token).is_some() && !library.get_added_vocabulary().is_special_token(token) {
            library.add_special_tokens([AddedToken::from(token, true)]).map_err(refused)?;
            changed = true;
        }
    }
    Ok(changed)
}
