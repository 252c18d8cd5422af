//! Columns that carry other names in a file than in its format.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The format's name of a column to the file's. The file's may be a path: `reward_model.ground_truth`, `choices.0`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Columns(BTreeMap<String, String>);

impl Columns {
    pub(crate) fn new(given: &BTreeMap<String, String>) -> Self {
        Self(given.clone())
    }

    /// The row under the format's names. A column that is taken for another name no longer stands under its own; one that is missing in
    /// the file stays missing.
    pub(crate) fn rename(&self, mut row: Map<String, Value>) -> Map<String, Value> {
        if self.0.is_empty() {
            return row;
        }
        let found: Vec<_> = self.0.iter().filter_map(|(name, path)| at(&row, path).map(|value| (name.clone(), value))).collect();
        for path in self.0.values() {
            row.remove(path);
        }
        row.extend(found);
        row
    }

    /// The top-level name that a column of the format has in the file.
    pub(crate) fn in_file<'a>(&'a self, name: &'a str) -> &'a str {
        let path = self.0.get(name).map_or(name, String::as_str);
        path.split('.').next().unwrap_or(path)
    }
}

fn at(row: &Map<String, Value>, path: &str) -> Option<Value> {
    if let Some(value) = row.get(path) {
        return Some(value.clone());
    }
    let mut parts = path.split('.');
    let first = row.get(parts.next()?)?;
    let found = parts.try_fold(first, |value, part| match value {
        Value::Object(map) => map.get(part),
        Value::Array(list) => list.get(part.parse::<usize>().ok()?),
        _ => None,
    });
    found.cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn renamed(row: Value, map: &[(&str, &str)]) -> Value {
        let Value::Object(row) = row else { panic!("not an object") };
        let map = map.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Value::Object(Columns::new(&map).rename(row))
    }

    #[test]
    fn columns_are_renamed_swapped_and_reached_by_paths() {
        assert_eq!(renamed(json!({"problem": 1, "x": 2}), &[("question", "problem")]), json!({"question": 1, "x": 2}));
        assert_eq!(renamed(json!({"a": 1, "b": 2}), &[("a", "b"), ("b", "a")]), json!({"a": 2, "b": 1}));
        let nested = json!({"m": {"t": ["x", {"y": 5}]}, "a.b": 7});
        assert_eq!(renamed(nested.clone(), &[("q", "m.t.1.y")]), json!({"m": {"t": ["x", {"y": 5}]}, "a.b": 7, "q": 5}));
        assert_eq!(renamed(nested, &[("q", "a.b")])["q"], 7);
        assert_eq!(renamed(json!({"a": 1}), &[("q", "none")]), json!({"a": 1}));
    }
}
