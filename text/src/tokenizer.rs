//! Text to token ids and back, and conversations to prompts.

use std::path::Path;
use std::sync::Arc;

use collimate_types::{Message, Prompt, Task, TokenId};
use collimate_weights::gguf::Gguf;
use serde_json::Value;

use crate::{TextError, chat, files, gguf};

/// A tokenizer with the model's special tokens and chat template.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// `tokenizer.json` as it was read or rebuilt: written back byte for byte.
    json: Vec<u8>,
    special: Special,
    template: Option<String>,
}

/// Tokens with a meaning of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Special {
    pub(crate) bos: Option<String>,
    pub(crate) eos: Option<String>,
    pub(crate) pad: Option<String>,
    pub(crate) unk: Option<String>,
    /// Every id that ends a sequence, the tokenizer's own first.
    pub(crate) ends: Vec<TokenId>,
}

impl Tokenizer {
    /// Reads `tokenizer.json` and what stands beside it in a Hugging Face directory.
    ///
    /// # Errors
    /// When a file is missing or malformed.
    pub fn from_dir(dir: &Path) -> Result<Self, TextError> {
        let path = dir.join("tokenizer.json");
        let json = std::fs::read(&path).map_err(|source| TextError::Io { path: path.display().to_string(), source })?;
        let (special, template) = files::read(dir)?;
        Self::new(json, &path.display().to_string(), special, template)
    }

    /// Rebuilds a byte-level tokenizer from the metadata of a GGUF file.
    ///
    /// # Errors
    /// When a key is missing or the tokenizer is of another kind.
    pub fn from_gguf(file: &Gguf) -> Result<Self, TextError> {
        let (json, special, template) = gguf::rebuild(file)?;
        Self::new(json.to_string().into_bytes(), &file.path().display().to_string(), special, template)
    }

    pub(crate) fn new(json: Vec<u8>, place: &str, mut special: Special, template: Option<String>) -> Result<Self, TextError> {
        let mend = "restore the file from the model's source";
        // serde_json names line and column; the tokenizers crate only says that something is wrong.
        let _: Value = serde_json::from_slice(&json).map_err(|e| TextError::malformed(place, e.to_string(), mend))?;
        let inner = tokenizers::Tokenizer::from_bytes(&json).map_err(|e| TextError::malformed(place, e.to_string(), mend))?;
        let id = |token: &Option<String>| token.as_deref().and_then(|t| inner.token_to_id(t));
        if let Some(eos) = id(&special.eos)
            && !special.ends.contains(&eos)
        {
            special.ends.insert(0, eos);
        }
        Ok(Self { inner, json, special, template })
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
        let encoding = self.inner.encode(text, add_special).map_err(|e| TextError::Tokenizer(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of token ids.
    ///
    /// # Errors
    /// When the tokenizer cannot decode them.
    pub fn decode(&self, ids: &[TokenId], skip_special: bool) -> Result<String, TextError> {
        self.inner.decode(ids, skip_special).map_err(|e| TextError::Tokenizer(e.to_string()))
    }

    /// V, added tokens included.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Every id that ends a sequence.
    #[must_use]
    pub fn eos_ids(&self) -> &[TokenId] {
        &self.special.ends
    }

    /// Whether conversations can be rendered.
    #[must_use]
    pub fn has_chat_template(&self) -> bool {
        self.template.is_some()
    }

    /// A conversation as text, with the beginning of the answer if `generation_prompt`.
    ///
    /// # Errors
    /// When there is no template or it fails.
    pub fn render_chat(&self, messages: &[Message], generation_prompt: bool) -> Result<String, TextError> {
        let template = self.template.as_deref().ok_or(TextError::NoTemplate)?;
        chat::render(template, messages, generation_prompt, (self.special.bos.as_deref(), self.special.eos.as_deref()))
    }

    /// A task ready for the policy.
    ///
    /// # Errors
    /// When the text cannot be encoded, the conversation not rendered, or nothing is left.
    pub fn prompt(&self, task: Arc<Task>) -> Result<Prompt, TextError> {
        let (text, tokens) = match &task.text {
            Some(text) => (text.clone(), self.encode_with(text, true)?),
            None => {
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

    /// The files that make a directory loadable by transformers' `AutoTokenizer`.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        files::write(&self.json, &self.special, self.template.as_deref())
    }
}
