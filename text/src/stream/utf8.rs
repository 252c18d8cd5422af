//! Bytes that come in pieces, as text.

/// Bytes at the end that may still become a character: at most three.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    waiting: Vec<u8>,
}

impl Utf8 {
    /// Takes bytes; gives the characters that are whole. What can never become one is U+FFFD, as in [`String::from_utf8_lossy`].
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        self.waiting.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.waiting.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(whole) => {
                    text.push_str(whole);
                    self.waiting.clear();
                    return text;
                }
                Err(fault) => {
                    let (whole, after) = rest.split_at(fault.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(whole));
                    let Some(broken) = fault.error_len() else {
                        // The bytes end inside a character.
                        self.waiting = after.to_vec();
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &after[broken..];
                }
            }
        }
    }

    /// What no further byte will complete.
    pub(super) fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.waiting)).into_owned()
    }
}
