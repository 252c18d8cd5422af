//! Tokens counted as a run sees them: by the model's own tokenizer and chat template.

use collimate_datasets::Measure;
use collimate_text::Tokenizer;
use collimate_types::{Message, Task};
use serde_json::Value;
use std::sync::Arc;

/// A tokenizer that counts.
#[derive(Debug)]
pub(crate) struct Counter<'t>(pub(crate) &'t Tokenizer);

impl Measure for Counter<'_> {
    fn prompt(&self, text: Option<&str>, messages: &[Message]) -> Result<usize, String> {
        if text == Some("") || (text.is_none() && messages.is_empty()) {
            return Ok(0);
        }
        let task = Task { id: String::new(), text: text.map(str::to_owned), messages: messages.to_vec(), truth: Value::Null, reward: None };
        self.0.prompt(Arc::new(task)).map(|prompt| prompt.tokens.len()).map_err(|e| e.to_string())
    }

    fn answer(&self, text: &str) -> Result<usize, String> {
        self.0.encode(text).map(|tokens| tokens.len()).map_err(|e| e.to_string())
    }
}
