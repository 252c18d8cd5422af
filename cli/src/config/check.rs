//! Unknown keys, wrong types, values out of range: the whole tree in one walk.

use collimate_datasets::{DataConfig, FORMATS};
use serde_json::Value;

use super::diagnostics::{Diagnostics, Problem};
use super::field::{Field, Kind, Section};
use super::limit::Limit;
use super::nearest::nearest;
use super::sections;
use super::source::Sources;
use super::tree::{Content, Node};

/// Walks a recipe.
pub(super) fn check(root: &Node, sources: &Sources, faults: &mut Diagnostics) {
    let Content::Table(tables) = &root.content else { return };
    for (name, node) in tables {
        let all = sections::all();
        let Some(section) = all.iter().find(|s| s.path == *name) else {
            faults.push(unknown("section", name, all.iter().map(|s| s.path), node, sources));
            continue;
        };
        let mut walk = Walk { section: *section, sources, faults };
        match &node.content {
            Content::Table(_) if !section.repeated => walk.table(node, name),
            Content::List(entries) if section.repeated => {
                for (i, entry) in entries.iter().enumerate() {
                    walk.table(entry, &format!("{name}.{i}"));
                }
            }
            _ => {
                let wanted = if section.repeated { format!("[[{name}]]") } else { format!("[{name}]") };
                let problem = Problem::new(format!("this is {}, not a table", node.describe())).key(name.as_str()).at(sources, &node.value);
                walk.faults.push(problem.help(format!("write `{wanted}` on a line of its own and the keys below it")));
            }
        }
    }
}

struct Walk<'a> {
    section: Section,
    sources: &'a Sources,
    faults: &'a mut Diagnostics,
}

impl Walk<'_> {
    fn table(&mut self, node: &Node, path: &str) {
        let Content::Table(map) = &node.content else {
            self.faults.push(Problem::new(format!("this is {}, not a table", node.describe())).key(path).at(self.sources, &node.value));
            return;
        };
        let data = self.section.path == "data";
        let formats = || FORMATS.iter().map(|f| f.card()).filter(|_| data);
        for (name, child) in map {
            let path = format!("{path}.{name}");
            let known = sections::field(&format!("{}.{name}", self.section.path)).map(|(_, f)| f);
            if let Some(field) = known {
                self.value(field, child, &path);
            } else if let Some(card) = formats().find(|c| c.name == name) {
                let knobs: Vec<&str> = card.knobs.iter().map(|k| k.name).collect();
                self.knobs(card.name, &knobs, child, &path);
            } else if !self.section.open {
                let names: Vec<&str> = self.section.fields.iter().map(|f| f.name).chain(formats().map(|c| c.name)).collect();
                self.faults.push(unknown("key", &path, names.into_iter(), child, self.sources));
            }
        }
    }

    /// The knobs of a data format: each is tried alone over the defaults, so that a wrong value is blamed on its own key.
    fn knobs(&mut self, format: &str, names: &[&str], node: &Node, path: &str) {
        let Content::Table(map) = &node.content else {
            self.faults.push(Problem::new(format!("this is {}, not a table", node.describe())).key(path).at(self.sources, &node.value));
            return;
        };
        for (name, child) in map {
            let path = format!("{path}.{name}");
            if !names.contains(&name.as_str()) {
                self.faults.push(unknown("key", &path, names.iter().copied(), child, self.sources));
                continue;
            }
            let mut config = serde_json::to_value(DataConfig::default()).unwrap_or_default();
            config[format][name.as_str()] = serde_json::to_value(child.to_value()).unwrap_or_default();
            if let Err(error) = serde_json::from_value::<DataConfig>(config) {
                let problem = Problem::new(error.to_string()).key(&path).at(self.sources, &child.value);
                self.faults.push(problem.help(format!("`collimate formats {format}` shows every key with its default")));
            }
        }
    }

    fn value(&mut self, field: Field, node: &Node, path: &str) {
        let value = node.to_value();
        let number = |v: &toml::Value| v.as_integer().map(|i| i as f64).or_else(|| v.as_float()).filter(|x| x.is_finite());
        let numbers: Option<Vec<f64>> = match field.kind {
            Kind::Count => value.as_integer().filter(|i| *i >= 0).map(|i| vec![i as f64]),
            Kind::Number => number(&value).map(|x| vec![x]),
            Kind::Numbers(n) => value.as_array().filter(|a| a.len() == n).and_then(|a| a.iter().map(number).collect()),
            _ => Some(Vec::new()),
        };
        let texts: Option<Vec<&str>> = match field.kind {
            Kind::Text | Kind::Choice(_) => value.as_str().map(|s| vec![s]),
            Kind::Texts => value.as_array().and_then(|a| a.iter().map(toml::Value::as_str).collect()),
            _ => Some(Vec::new()),
        };
        let flag = !matches!(field.kind, Kind::Flag) || value.as_bool().is_some();
        let (Some(numbers), Some(texts), true) = (numbers, texts, flag) else {
            self.refuse(field, node, path, format!("this is {}, wanted is {}", node.describe(), field.kind));
            return;
        };
        if let Kind::Choice(names) = field.kind
            && let Some(text) = texts.iter().find(|t| !names.contains(t))
        {
            let close = nearest(text, names.iter().copied()).map_or_else(String::new, |n| format!(" (did you mean {n:?}?)"));
            self.refuse(field, node, path, format!("{text:?} is not one of {}{close}", super::field::quoted(names)));
        }
        if numbers.iter().any(|x| !field.mark.limit.admits(*x)) || texts.iter().any(|t| !field.mark.limit.admits_text(t)) {
            self.refuse(field, node, path, format!("this is {}, possible is {}", node.describe(), field.mark.limit));
        }
    }

    fn refuse(&mut self, field: Field, node: &Node, path: &str, message: String) {
        let problem = Problem::new(message).key(path).at(self.sources, &node.value);
        let limit = if field.mark.limit == Limit::Any { String::new() } else { format!(", {}", field.mark.limit) };
        self.faults.push(problem.help(format!("{} ({}{limit})", field.help.trim(), field.kind)));
    }
}

fn unknown<'k>(what: &str, path: &str, known: impl Iterator<Item = &'k str> + Clone, node: &Node, sources: &Sources) -> Problem {
    let name = path.rsplit('.').next().unwrap_or(path);
    let elsewhere = || {
        let named = |s: &&Section| s.fields.iter().any(|f| f.name == name);
        sections::all().iter().find(named).map(|s| format!("{}.{name}", s.path))
    };
    let help = match nearest(name, known.clone()).map(str::to_owned).or_else(elsewhere) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("there are {}", known.map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
    };
    Problem::new(format!("there is no {what} `{name}`")).key(path).at(sources, &node.key).help(help)
}

/// A default as TOML shows it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "not set".into(),
        other => other.to_string(),
    }
}
