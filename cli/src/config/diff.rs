//! What has changed between two recipes, and what that means for a run that goes on.

use serde_json::Value;

use super::field::OnResume;
use super::recipe::Recipe;
use super::sections;

/// A changed key.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// Its value in the checkpoint.
    pub old: Value,
    /// Its value now.
    pub new: Value,
    /// What the change means on resume.
    pub resume: OnResume,
}

/// Every changed key.
#[must_use]
pub fn diff(old: &Recipe, new: &Recipe) -> Vec<Change> {
    let tree = |r: &Recipe| serde_json::to_value(r).unwrap_or_default();
    let mut changes = Vec::new();
    walk("", &tree(old), &tree(new), &mut changes);
    if old.learner.schedule != "constant" {
        // Such a rate looks at the end of the run: another end bends the part that is already behind it.
        let steps = changes.iter_mut().filter(|c| c.key == "run.steps");
        steps.for_each(|c| c.resume = OnResume::Inexact);
    }
    changes
}

fn walk(path: &str, old: &Value, new: &Value, changes: &mut Vec<Change>) {
    if old == new {
        return;
    }
    if let (Value::Object(a), Value::Object(b)) = (old, new) {
        let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            walk(&path, &old[key.as_str()], &new[key.as_str()], changes);
        }
        return;
    }
    let resume = sections::field(path).map_or(OnResume::Refused, |(_, f)| f.mark.resume);
    changes.push(Change { key: path.to_owned(), old: old.clone(), new: new.clone(), resume });
}
