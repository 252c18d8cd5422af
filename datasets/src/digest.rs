//! Content hashes: what a task is, independent of where it stands and of how its JSON was written.

use blake3::Hasher;
use collimate_types::{Speaker, Task};
use serde_json::Value;

/// The hash of what is asked.
pub(crate) fn of_question(task: &Task) -> [u8; 32] {
    let mut hasher = Hasher::new();
    feed_question(&mut hasher, task);
    hasher.finalize().into()
}

/// The hash of everything but the id.
pub(crate) fn of_content(task: &Task) -> [u8; 32] {
    let mut hasher = Hasher::new();
    feed_question(&mut hasher, task);
    feed_value(&mut hasher, &task.truth);
    feed_bytes(&mut hasher, b'r', task.reward.as_deref().unwrap_or_default().as_bytes());
    hasher.finalize().into()
}

/// 16 hexadecimal digits of the content, the id of a row that has none.
pub(crate) fn id_of(task: &Task) -> String {
    let hash = of_content(task);
    blake3::Hash::from_bytes(hash).to_hex()[..16].to_owned()
}

/// The hash of a list of tasks in their order, in hexadecimal digits.
pub(crate) fn of_list<'a>(tasks: impl Iterator<Item = &'a Task>) -> String {
    let mut hasher = Hasher::new();
    for task in tasks {
        feed_bytes(&mut hasher, b'i', task.id.as_bytes());
        hasher.update(&of_content(task));
    }
    hasher.finalize().to_hex().to_string()
}

fn feed_question(hasher: &mut Hasher, task: &Task) {
    if let Some(text) = &task.text {
        feed_bytes(hasher, b't', text.as_bytes());
    }
    for message in &task.messages {
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
fn feed_bytes(hasher: &mut Hasher, tag: u8, bytes: &[u8]) {
    hasher.update(&[tag]).update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
}

/// Objects are fed in the order of their keys: a feature of the JSON crate decides how it keeps them.
fn feed_value(hasher: &mut Hasher, value: &Value) {
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
    use collimate_types::Message;
    use serde_json::json;

    fn task(text: &str, truth: Value) -> Task {
        Task { id: String::new(), text: Some(text.into()), messages: vec![], truth, reward: None }
    }

    #[test]
    fn the_order_of_keys_does_not_count_and_everything_else_does() {
        let one: Value = serde_json::from_str(r#"{"a":1,"b":[2,"x"]}"#).unwrap();
        let same: Value = serde_json::from_str(r#"{"b": [2, "x"], "a": 1}"#).unwrap();
        let base = id_of(&task("q", one));
        assert_eq!(base, id_of(&task("q", same)));
        for other in [json!({"a": 1, "b": [2, "y"]}), json!({"a": 1, "b": ["x", 2]}), json!({"a": "1", "b": [2, "x"]})] {
            assert_ne!(base, id_of(&task("q", other)));
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
        assert_eq!(id_of(&task("7 + 5 =", json!({"level": [1, null], "answer": "12"}))), "afbcb05726ebf45a");
    }
}
