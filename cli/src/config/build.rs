//! From a checked tree to the typed recipe.

use std::collections::BTreeMap;

use super::diagnostics::{Diagnostics, Problem};
use super::recipe::Recipe;
use super::source::Sources;
use super::tree::{Content, Node};

/// The recipe: given values over the defaults. A value that only its reader refuses (a number too large for its type, a reward without a
/// name) is a problem at its own place; it is taken out of the tree and its default stands.
pub(super) fn build(root: &mut Node, sources: &Sources, faults: &mut Diagnostics) -> Recipe {
    let read = |node: &Node| node.to_value().try_into::<Recipe>().map_err(|e| e.message().to_owned());
    loop {
        let whole = match read(root) {
            Ok(recipe) => return recipe,
            Err(message) => message,
        };
        let Some((key, message)) = culprit(root, "", &read) else {
            faults.push(Problem::new(whole));
            return Recipe::default();
        };
        let place = root.at(&key).map_or(&root.value, |node| &node.value);
        faults.push(Problem::new(message).key(&key).at(sources, place).help("`collimate config schema` describes every key"));
        root.remove(&key.split('.').collect::<Vec<_>>());
    }
}

/// The first value that cannot be read even alone, and why. The entries of a list are read one by one, each as a list of its own.
fn culprit(root: &Node, path: &str, read: &impl Fn(&Node) -> Result<Recipe, String>) -> Option<(String, String)> {
    let node = if path.is_empty() { root } else { root.at(path)? };
    let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match &node.content {
        Content::Table(map) if !in_list(path) => map.keys().find_map(|name| culprit(root, &inside(name), read)),
        Content::List(list) if list.iter().any(|entry| matches!(entry.content, Content::Table(_))) => {
            (0..list.len()).find_map(|i| culprit(root, &inside(&i.to_string()), read))
        }
        _ => read(&alone(root, path)).err().map(|message| (path.to_owned(), message)),
    }
}

fn in_list(path: &str) -> bool {
    path.split('.').any(|name| name.parse::<usize>().is_ok())
}

/// The tree with one value only.
fn alone(root: &Node, path: &str) -> Node {
    let Some(node) = root.at(path) else { return root.clone() };
    path.rsplit('.').fold(node.clone(), |inner, name| {
        let content = match name.parse::<usize>() {
            Ok(_) => Content::List(vec![inner]),
            Err(_) => Content::Table(BTreeMap::from([(name.to_owned(), inner)])),
        };
        Node { content, key: root.key.clone(), value: root.value.clone() }
    })
}
