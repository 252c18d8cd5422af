//! Content hashes: what an example is, independent of where it stands and of how its JSON was written.

use std::hash::{BuildHasher, Hasher as _};

use blake3::Hasher;
use collimate_types::{Message, Speaker};
use serde_json::Value;

use crate::example::Content;

/// Takes the bytes that a hash is made of.
pub(crate) trait Feed {
    fn bytes(&mut self, bytes: &[u8]);
}

impl Feed for Hasher {
    fn bytes(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

/// 64 bits for telling rows of one pass apart, ten times as fast as the hash that names them. Not kept beyond the pass.
pub(crate) struct Quick(foldhash::quality::FoldHasher<'static>);

impl Quick {
    /// Of what is asked, and of everything but the id.
    pub(crate) fn of(item: &dyn Content) -> (u64, u64) {
        let mut hash = Self(foldhash::quality::FixedState::default().build_hasher());
        feed_question(&mut hash, item);
        let question = hash.0.finish();
        item.feed(&mut hash);
        (question, hash.0.finish())
    }
}

impl Feed for Quick {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}

/// The hash of what is asked.
pub(crate) fn of_question(item: &dyn Content) -> [u8; 32] {
    let mut hasher = Hasher::new();
    feed_question(&mut hasher, item);
    hasher.finalize().into()
}

/// The hash of everything but the id.
pub(crate) fn of_content(item: &dyn Content) -> [u8; 32] {
    let mut hasher = Hasher::new();
    feed_question(&mut hasher, item);
    item.feed(&mut hasher);
    hasher.finalize().into()
}

/// The first 64 bits of a hash.
pub(crate) fn word(hash: [u8; 32]) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&hash[..8]);
    u64::from_le_bytes(word)
}

/// The id of a row that has none: 16 hexadecimal digits of the hash of its content.
pub(crate) fn id_of(content: [u8; 32]) -> String {
    blake3::Hash::from_bytes(content).to_hex()[..16].to_owned()
}

/// The hash of a list in its order.
#[derive(Debug, Clone, Default)]
pub(crate) struct OfList(Hasher);

impl OfList {
    pub(crate) fn add(&mut self, item: &dyn Content) {
        self.add_hashed(item.id(), &of_content(item));
    }

    /// An item whose content is hashed already.
    pub(crate) fn add_hashed(&mut self, id: &str, content: &[u8; 32]) {
        feed_bytes(&mut self.0, b'i', id.as_bytes());
        self.0.update(content);
    }

    /// Something about the list itself.
    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) {
        feed_bytes(&mut self.0, b'#', bytes);
    }

    /// In hexadecimal digits.
    pub(crate) fn finish(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

fn feed_question(hasher: &mut dyn Feed, item: &dyn Content) {
    let (text, messages) = item.prompt();
    if let Some(text) = text {
        feed_bytes(hasher, b't', text.as_bytes());
    }
    feed_messages(hasher, messages);
}

pub(crate) fn feed_messages(hasher: &mut dyn Feed, messages: &[Message]) {
    for message in messages {
        let tag = match message.role {
            Speaker::System => b'S',
            Speaker::User => b'U',
            Speaker::Assistant => b'A',
            Speaker::Tool => b'T',
        };
        feed_bytes(hasher, tag, message.content.as_bytes());
    }
}

/// The length goes first, so that neighbours do not run together.
pub(crate) fn feed_bytes(hasher: &mut dyn Feed, tag: u8, bytes: &[u8]) {
    let mut head = [tag; 9];
    head[1..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
    hasher.bytes(&head);
    hasher.bytes(bytes);
}

/// Objects are fed in the order of their keys: a feature of the JSON crate decides how it keeps them.
pub(crate) fn feed_value(hasher: &mut dyn Feed, value: &Value) {
    match value {
        Value::Null => feed_bytes(hasher, b'0', b""),
        Value::Bool(b) => feed_bytes(hasher, b'b', &[u8::from(*b)]),
        Value::Number(n) => feed_bytes(hasher, b'n', n.to_string().as_bytes()),
        Value::String(s) => feed_bytes(hasher, b's', s.as_bytes()),
        Value::Array(list) => {
            feed_bytes(hasher, b'[', &(list.len() as u64).to_le_bytes());
            list.iter().for_each(|v| feed_value(hasher, v));
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            feed_bytes(hasher, b'{', &(entries.len() as u64).to_le_bytes());
            for (key, value) in entries {
                feed_bytes(hasher, b'k', key.as_bytes());
                feed_value(hasher, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::{Message, Task};
    use serde_json::json;

    fn task(text: &str, truth: Value) -> Task {
        Task { id: String::new(), text: Some(text.into()), messages: vec![], truth, reward: None }
    }

    #[test]
    fn the_order_of_keys_does_not_count_and_everything_else_does() {
        let one: Value = serde_json::from_str(r#"{"a":1,"b":[2,"x"]}"#).unwrap();
        let same: Value = serde_json::from_str(r#"{"b": [2, "x"], "a": 1}"#).unwrap();
        let base = of_content(&task("q", one));
        assert_eq!(base, of_content(&task("q", same)));
        for other in [json!({"a": 1, "b": [2, "y"]}), json!({"a": 1, "b": ["x", 2]}), json!({"a": "1", "b": [2, "x"]})] {
            assert_ne!(base, of_content(&task("q", other)));
        }
    }

    #[test]
    fn neighbours_do_not_run_together() {
        let talk = |parts: &[&str]| {
            let messages = parts.iter().map(|p| Message::user(*p)).collect();
            Task { text: None, messages, ..task("", Value::Null) }
        };
        assert_ne!(of_question(&talk(&["ab", "c"])), of_question(&talk(&["a", "bc"])));
        assert_ne!(of_question(&talk(&["a"])), of_question(&task("a", Value::Null)));
    }

    #[test]
    fn ids_are_frozen() {
        // A change here renames every task ever recorded.
        let content = of_content(&task("7 + 5 =", json!({"level": [1, null], "answer": "12"})));
        assert_eq!(id_of(content), "afbcb05726ebf45a");
    }
}
