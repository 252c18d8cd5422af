//! Units of work as bytes.
//!
//! A batch is: u32 number of groups; each group a prompt, u32 number of answers, the answers. Where a plugin takes single answers, each is a
//! unit; else each group is. Numbers are little-endian; a text is u32 bytes and the bytes; an optional text has a byte 0 or 1 before it; token
//! ids are u32 how many and the ids; JSON is a text.

use std::sync::Arc;

use collimate_types::{Answer, Finish, Message, Prompt, Speaker, Task, TokenId};

use super::WireError;

/// Appends a number.
pub fn put_u32(out: &mut Vec<u8>, number: usize) {
    // Beyond 4 GiB nothing can be sent: the frame's own length refuses it (see `frame::end`).
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

/// Appends a text.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_u32(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn put_optional(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put_text(out, text);
    }
}

fn put_tokens(out: &mut Vec<u8>, tokens: &[TokenId]) {
    put_u32(out, tokens.len());
    out.reserve(4 * tokens.len());
    for token in tokens {
        out.extend_from_slice(&token.to_le_bytes());
    }
}

/// Appends a prompt.
pub fn put_prompt(out: &mut Vec<u8>, prompt: &Prompt) {
    let task = prompt.task.as_ref();
    put_text(out, &task.id);
    put_optional(out, task.text.as_deref());
    put_u32(out, task.messages.len());
    for message in &task.messages {
        out.push(match message.role {
            Speaker::System => 0,
            Speaker::User => 1,
            Speaker::Assistant => 2,
            Speaker::Tool => 3,
        });
        put_text(out, &message.content);
    }
    put_text(out, &task.truth.to_string());
    put_optional(out, task.reward.as_deref());
    put_text(out, &prompt.text);
    put_tokens(out, &prompt.tokens);
}

/// Appends an answer.
pub fn put_answer(out: &mut Vec<u8>, answer: &Answer<'_>) {
    put_text(out, answer.text);
    put_tokens(out, answer.tokens);
    let (tag, text) = match answer.finish {
        Finish::Eos => (0, None),
        Finish::Stop => (1, None),
        Finish::Length => (2, None),
        Finish::Budget => (3, None),
        Finish::Tool => (4, None),
        Finish::Broken(why) => (5, Some(why)),
    };
    out.push(tag);
    if let Some(text) = text {
        put_text(out, text);
    }
}

/// An answer as it stands in a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Received<'a> {
    /// The text, in place.
    pub text: &'a str,
    /// The tokens.
    pub tokens: Vec<TokenId>,
    /// Why it ended.
    pub finish: Finish,
}

/// Reads a payload from front to back. Never takes more memory than the payload has bytes.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// At the start of a payload.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Whether everything has been read.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        let short = WireError::Short { what, at: self.at };
        let piece = self.bytes.get(self.at..).and_then(|rest| rest.get(..length)).ok_or(short)?;
        self.at += length;
        Ok(piece)
    }

    /// A byte.
    ///
    /// # Errors
    /// At the end of the payload.
    pub fn byte(&mut self, what: &'static str) -> Result<u8, WireError> {
        self.take(1, what).map(|b| b[0])
    }

    /// A number.
    ///
    /// # Errors
    /// At the end of the payload.
    pub fn number(&mut self, what: &'static str) -> Result<usize, WireError> {
        let bytes = self.take(4, what)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
    }

    /// A float64, bit for bit.
    ///
    /// # Errors
    /// At the end of the payload.
    pub fn float(&mut self, what: &'static str) -> Result<f64, WireError> {
        let bytes = self.take(8, what)?;
        let mut raw = [0; 8];
        raw.copy_from_slice(bytes);
        Ok(f64::from_le_bytes(raw))
    }

    /// A text.
    ///
    /// # Errors
    /// At the end of the payload, or when it is not UTF-8.
    pub fn text(&mut self, what: &'static str) -> Result<&'a str, WireError> {
        let length = self.number(what)?;
        let at = self.at;
        std::str::from_utf8(self.take(length, what)?).map_err(|e| WireError::Utf8 { at: at + e.valid_up_to() })
    }

    fn optional(&mut self, what: &'static str) -> Result<Option<String>, WireError> {
        match self.byte(what)? {
            0 => Ok(None),
            1 => self.text(what).map(|t| Some(t.to_owned())),
            found => Err(WireError::Tag { what, found, at: self.at - 1 }),
        }
    }

    fn tokens(&mut self, what: &'static str) -> Result<Vec<TokenId>, WireError> {
        let length = self.number(what)?;
        let bytes = self.take(length.saturating_mul(4), what)?;
        Ok(bytes.chunks_exact(4).map(|c| TokenId::from_le_bytes([c[0], c[1], c[2], c[3]])).collect())
    }

    /// A prompt.
    ///
    /// # Errors
    /// When the payload is not one.
    pub fn prompt(&mut self) -> Result<Prompt, WireError> {
        let id = self.text("a task's id")?.to_owned();
        let text = self.optional("a task's text")?;
        let mut messages = Vec::new();
        for _ in 0..self.number("a number of messages")? {
            let role = match self.byte("a speaker")? {
                0 => Speaker::System,
                1 => Speaker::User,
                2 => Speaker::Assistant,
                3 => Speaker::Tool,
                found => return Err(WireError::Tag { what: "the speaker", found, at: self.at - 1 }),
            };
            messages.push(Message { role, content: self.text("a message")?.to_owned() });
        }
        let truth = serde_json::from_str(self.text("a truth")?).map_err(|e| WireError::Json(format!("a truth: {e}")))?;
        let reward = self.optional("a reward's name")?;
        let task = Arc::new(Task { id, text, messages, truth, reward });
        Ok(Prompt { task, text: self.text("a prompt")?.to_owned(), tokens: self.tokens("a prompt's tokens")? })
    }

    /// An answer.
    ///
    /// # Errors
    /// When the payload is not one.
    pub fn answer(&mut self) -> Result<Received<'a>, WireError> {
        let (text, tokens) = (self.text("an answer")?, self.tokens("an answer's tokens")?);
        let finish = match self.byte("an answer's end")? {
            0 => Finish::Eos,
            1 => Finish::Stop,
            2 => Finish::Length,
            3 => Finish::Budget,
            4 => Finish::Tool,
            5 => Finish::Broken(self.text("why an answer broke")?.to_owned()),
            found => return Err(WireError::Tag { what: "the end", found, at: self.at - 1 }),
        };
        Ok(Received { text, tokens, finish })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn prompts_and_answers_come_back_as_they_were(
            texts in proptest::collection::vec(".{0,20}", 6), tokens in proptest::collection::vec(any::<u32>(), 0..9), role in 0_usize..4,
        ) {
            let role = [Speaker::System, Speaker::User, Speaker::Assistant, Speaker::Tool][role];
            let mut prompt = testing::prompt(&texts[0], json!({"answer": texts[1], "n": 1.5}));
            prompt.tokens.clone_from(&tokens);
            let mut task = Task::clone(&prompt.task);
            task.messages = vec![Message { role, content: texts[2].clone() }];
            task.text = (role != Speaker::User).then(|| texts[3].clone());
            task.reward = (role == Speaker::Tool).then(|| texts[4].clone());
            prompt.task = Arc::new(task);
            let finishes = [Finish::Eos, Finish::Stop, Finish::Length, Finish::Budget, Finish::Tool, Finish::Broken(texts[5].clone())];
            let mut bytes = Vec::new();
            put_prompt(&mut bytes, &prompt);
            for finish in &finishes {
                put_answer(&mut bytes, &Answer { text: &texts[5], tokens: &tokens, finish });
            }
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.prompt().unwrap(), prompt);
            for finish in finishes {
                prop_assert_eq!(reader.answer().unwrap(), Received { text: &texts[5], tokens: tokens.clone(), finish });
            }
            prop_assert!(reader.at_end());
            for cut in 0..bytes.len() {
                let mut reader = Reader::new(&bytes[..cut]);
                let whole = reader.prompt().and_then(|_| (0..6).try_for_each(|_| reader.answer().map(drop)));
                prop_assert!(whole.is_err(), "cut at {}", cut);
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Reader::new(&bytes).prompt();
            let _ = Reader::new(&bytes).answer();
        }
    }
}
