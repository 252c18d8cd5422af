//! Values with their places, and how layers are laid over each other.

use std::collections::BTreeMap;

use super::source::Place;

/// What stands at a key.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A single value.
    Leaf(toml::Value),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(BTreeMap<String, Node>),
}

/// A value, where it stands and where its key stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// The value.
    pub content: Content,
    /// The key's place; the value's own in a list.
    pub key: Place,
    /// The value's place; for a table its header's.
    pub value: Place,
}

impl Node {
    /// The entry of a table or the numbered entry of a list.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        match &self.content {
            Content::Table(map) => map.get(name),
            Content::List(list) => list.get(name.parse::<usize>().ok()?),
            Content::Leaf(_) => None,
        }
    }

    /// The node at a dotted path (`eval.sampling.stop`, `reward.0.weight`).
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |node, name| node.child(name))
    }

    /// The node at the path or the deepest one above it, the root left out.
    pub(super) fn nearest_at(&self, path: &str) -> Option<&Self> {
        let mut node = self;
        let mut found = None;
        for name in path.split('.') {
            match node.child(name) {
                Some(child) => (node, found) = (child, Some(child)),
                None => break,
            }
        }
        found
    }

    /// The bare value, without places.
    pub(super) fn to_value(&self) -> toml::Value {
        match &self.content {
            Content::Leaf(value) => value.clone(),
            Content::List(list) => toml::Value::Array(list.iter().map(Self::to_value).collect()),
            Content::Table(map) => toml::Value::Table(map.iter().map(|(k, n)| (k.clone(), n.to_value())).collect()),
        }
    }

    /// What a reader calls this kind of value.
    pub(super) fn describe(&self) -> String {
        match &self.content {
            Content::Leaf(toml::Value::String(s)) => format!("the text {s:?}"),
            Content::Leaf(toml::Value::Integer(i)) => format!("the number {i}"),
            Content::Leaf(toml::Value::Float(x)) => format!("the number {x}"),
            Content::Leaf(toml::Value::Boolean(b)) => format!("{b}"),
            Content::Leaf(_) => "a date".into(),
            Content::List(_) => "a list".into(),
            Content::Table(_) => "a table".into(),
        }
    }

    /// Lays a later layer over this one: tables are merged key by key, anything else (lists of tables too) is replaced as a whole.
    pub(super) fn overlay(&mut self, later: Self) {
        match (&mut self.content, later.content) {
            (Content::Table(mine), Content::Table(theirs)) => {
                for (name, node) in theirs {
                    match mine.get_mut(&name) {
                        Some(old) => old.overlay(node),
                        None => {
                            mine.insert(name, node);
                        }
                    }
                }
                (self.key, self.value) = (later.key, later.value);
            }
            (_, content) => *self = Self { content, ..later },
        }
    }

    /// Puts a value at a dotted path, making tables on the way; a number enters a list that is there.
    ///
    /// # Errors
    /// The path so far, if it meets a value that has no entries or a list that is too short.
    pub(super) fn set(&mut self, path: &[&str], value: Self) -> Result<(), String> {
        let [name, rest @ ..] = path else {
            self.overlay(value);
            return Ok(());
        };
        let inner = |error: String| if error.is_empty() { (*name).to_owned() } else { format!("{name}.{error}") };
        match &mut self.content {
            Content::Table(map) => {
                let empty = || Self { content: Content::Table(BTreeMap::new()), key: value.key.clone(), value: value.value.clone() };
                if rest.is_empty() {
                    match map.get_mut(*name) {
                        Some(old) => old.overlay(value),
                        None => {
                            map.insert((*name).to_owned(), value);
                        }
                    }
                    return Ok(());
                }
                map.entry((*name).to_owned()).or_insert_with(empty).set(rest, value).map_err(inner)
            }
            Content::List(list) => match name.parse::<usize>().ok().and_then(|at| list.get_mut(at)) {
                Some(entry) => entry.set(rest, value).map_err(inner),
                None => Err(String::new()),
            },
            Content::Leaf(_) => Err(String::new()),
        }
    }

    /// Takes the value at a path out.
    pub(super) fn remove(&mut self, path: &[&str]) {
        match (&mut self.content, path) {
            (Content::Table(map), [name]) => {
                map.remove(*name);
            }
            (Content::Table(map), [name, rest @ ..]) => {
                if let Some(inner) = map.get_mut(*name) {
                    inner.remove(rest);
                }
            }
            (Content::List(list), [at, rest @ ..]) => {
                let Some(at) = at.parse::<usize>().ok().filter(|at| *at < list.len()) else { return };
                match rest {
                    [] => drop(list.remove(at)),
                    rest => list[at].remove(rest),
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        fn of(value: &toml::Value) -> Node {
            let place = Place { source: 0, span: 0..0 };
            let content = match value {
                toml::Value::Table(map) => Content::Table(map.iter().map(|(k, v)| (k.clone(), of(v))).collect()),
                toml::Value::Array(list) => Content::List(list.iter().map(of).collect()),
                leaf => Content::Leaf(leaf.clone()),
            };
            Node { content, key: place.clone(), value: place }
        }
        of(&toml::Value::Table(text.parse().unwrap()))
    }

    #[test]
    fn later_tables_are_merged_and_later_lists_replace() {
        let mut base = node("a = {x = 1, y = 2}\nl = [{n = 1}, {n = 2}]");
        base.overlay(node("a = {y = 3}\nl = [{n = 4}]"));
        assert_eq!(base.to_value(), node("a = {x = 1, y = 3}\nl = [{n = 4}]").to_value());
    }

    #[test]
    fn a_path_makes_its_tables_and_enters_lists_by_number() {
        let mut base = node("l = [{n = 1}, {n = 2}]");
        let seven = node("v = 7").at("v").unwrap().clone();
        base.set(&["l", "1", "n"], seven.clone()).unwrap();
        base.set(&["a", "b", "c"], seven.clone()).unwrap();
        assert_eq!(base.to_value(), node("l = [{n = 1}, {n = 7}]\n[a.b]\nc = 7").to_value());
        assert_eq!(base.set(&["l", "2", "n"], seven.clone()).unwrap_err(), "l");
        assert_eq!(base.set(&["a", "b", "c", "d"], seven).unwrap_err(), "a.b.c");
    }
}
