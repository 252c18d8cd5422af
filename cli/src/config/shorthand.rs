//! `reward=…` on the command line: one reward instead of the recipe's list.

use std::collections::BTreeMap;
use std::path::Path;

use super::parse::Override;
use super::tree::{Content, Node};

/// The key of a `[[reward]]` table that a word stands for: an address, the directory of a reward model, a path to a program, or a name.
#[must_use]
pub fn reward_key(word: &str) -> &'static str {
    if word.starts_with("http://") || word.starts_with("https://") {
        "http"
    } else if word.contains('/') && Path::new(word).is_dir() {
        "model"
    } else if word.contains('/') {
        "plugin"
    } else {
        "name"
    }
}

/// `reward=WORD` becomes a list of one table with that program, address or name; anything else stays as it is.
pub(super) fn shorthand(change: Override) -> Override {
    let Content::Leaf(toml::Value::String(word)) = &change.node.content else { return change };
    if change.path != "reward" {
        return change;
    }
    let (key, value) = (change.node.key.clone(), change.node.value.clone());
    let inner = BTreeMap::from([(reward_key(word).to_owned(), change.node.clone())]);
    let table = Node { content: Content::Table(inner), key: key.clone(), value: value.clone() };
    Override { path: change.path, node: Node { content: Content::List(vec![table]), key, value } }
}
