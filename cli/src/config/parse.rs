//! From TOML text and `key=value` arguments to values with places.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Diagnostics, Problem};
use super::field::Kind;
use super::source::{Place, Source, Sources};
use super::tree::{Content, Node};

/// Reads a TOML text; every syntax error becomes a problem, and what could be read is returned all the same.
pub(super) fn document(source: usize, sources: &Sources, faults: &mut Diagnostics) -> Node {
    let place = Place { source, span: 0..0 };
    let text = sources.of(&place).text.clone();
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let problem = Problem::new(format!("this is not TOML: {}", error.message()))
            .at(sources, &Place { source, span })
            .help("keys stand as `key = value`, texts in quotes, tables under a `[name]` line (https://toml.io)");
        faults.push(problem);
    }
    let mut reader = Reader { source, shift: 0, sources, faults };
    Node { content: reader.table(table.get_ref(), ""), key: place.clone(), value: place }
}

struct Reader<'a> {
    source: usize,
    /// Where the parsed text begins in its source, in bytes.
    shift: usize,
    sources: &'a Sources,
    faults: &'a mut Diagnostics,
}

impl Reader<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        Place { source: self.source, span: span.start + self.shift..span.end + self.shift }
    }

    fn table(&mut self, table: &DeTable<'_>, path: &str) -> Content {
        let mut map = BTreeMap::new();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let key = self.place(key.span());
            if let Some(node) = self.value(key, value, &path) {
                map.insert(name, node);
            }
        }
        Content::Table(map)
    }

    fn value(&mut self, key: Place, value: &Spanned<DeValue<'_>>, path: &str) -> Option<Node> {
        let place = self.place(value.span());
        let content = match value.get_ref() {
            DeValue::String(s) => Content::Leaf(toml::Value::String(s.to_string())),
            DeValue::Integer(i) => match i64::from_str_radix(i.as_str(), i.radix()) {
                Ok(i) => Content::Leaf(toml::Value::Integer(i)),
                Err(_) => return self.refuse(&place, path, "this whole number does not fit 64 bits"),
            },
            DeValue::Float(x) => match x.as_str().parse::<f64>() {
                Ok(x) => Content::Leaf(toml::Value::Float(x)),
                Err(_) => return self.refuse(&place, path, "this number cannot be read"),
            },
            DeValue::Boolean(b) => Content::Leaf(toml::Value::Boolean(*b)),
            DeValue::Datetime(d) => Content::Leaf(toml::Value::Datetime(*d)),
            DeValue::Array(array) => {
                let entries = array.iter().enumerate();
                Content::List(entries.filter_map(|(i, v)| self.value(self.place(v.span()), v, &format!("{path}.{i}"))).collect())
            }
            DeValue::Table(table) => self.table(table, path),
        };
        Some(Node { content, key, value: place })
    }

    fn refuse(&mut self, place: &Place, path: &str, why: &str) -> Option<Node> {
        self.faults.push(Problem::new(why).key(path).at(self.sources, place));
        None
    }
}

/// A `key=value` argument, taken apart.
#[derive(Debug)]
pub(super) struct Override {
    /// The dotted key.
    pub path: String,
    /// Its value.
    pub node: Node,
}

/// Reads an argument `key=value`.
///
/// The value is TOML (`1e-5`, `true`, `["a", "b"]`); what is not TOML is a text as it stands, and so is everything given for a key whose
/// kind is a text, unless it stands in quotes.
pub(super) fn argument(
    text: &str,
    kind_of: impl Fn(&str) -> Option<Kind>,
    sources: &mut Sources,
    faults: &mut Diagnostics,
) -> Option<Override> {
    let name = format!("command line: {text}");
    let source = sources.add(Source { name, text: text.into(), argument: true });
    let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.trim().is_empty()) else {
        let problem = Problem::new(format!("`{text}` is not an override")).at(sources, &Place { source, span: 0..text.len() });
        faults.push(problem.help("write `key=value`, such as `learner.lr=1e-5`"));
        return None;
    };
    let path = key.trim().to_owned();
    let key_place = Place { source, span: 0..key.len() };
    let value_place = Place { source, span: key.len() + 1..text.len() };
    let raw = || Content::Leaf(toml::Value::String(value.to_owned()));
    let text_wanted = matches!(kind_of(&path), Some(Kind::Text | Kind::Choice(_))) && !value.trim_start().starts_with(['"', '\'']);
    let content = match DeValue::parse(value) {
        Ok(parsed) if !text_wanted => {
            let mut reader = Reader { source, shift: key.len() + 1, sources, faults };
            reader.value(key_place.clone(), &parsed, &path)?.content
        }
        _ => raw(),
    };
    Some(Override { path, node: Node { content, key: key_place, value: value_place } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, kind: Option<Kind>) -> (Option<toml::Value>, Diagnostics) {
        let (mut sources, mut faults) = (Sources::default(), Diagnostics::default());
        let read = argument(text, |_| kind, &mut sources, &mut faults);
        (read.map(|o| o.node.to_value()), faults)
    }

    #[test]
    fn a_value_is_toml_or_else_a_text() {
        let value = |text, kind| read(text, kind).0.unwrap();
        assert_eq!(value("a.b=1e-5", None), toml::Value::Float(1e-5));
        assert_eq!(value("a.b=[\"x\", \"y\"]", None).as_array().unwrap().len(), 2);
        assert_eq!(value("a.b=data/train.jsonl", None), toml::Value::String("data/train.jsonl".into()));
        assert_eq!(value("a.b=x=y", None), toml::Value::String("x=y".into()));
    }

    #[test]
    fn a_text_key_takes_what_looks_like_a_number() {
        assert_eq!(read("run.name=3", Some(Kind::Text)).0.unwrap(), toml::Value::String("3".into()));
        assert_eq!(read("run.name=\"3\"", Some(Kind::Text)).0.unwrap(), toml::Value::String("3".into()));
        assert_eq!(read("run.name=3", Some(Kind::Count)).0.unwrap(), toml::Value::Integer(3));
    }

    #[test]
    fn an_argument_without_a_key_is_refused() {
        let (value, faults) = read("=5", None);
        assert!(value.is_none());
        assert!(faults.render(false).contains("write `key=value`"));
    }

    #[test]
    fn every_syntax_error_is_reported_and_the_rest_is_read() {
        let (mut sources, mut faults) = (Sources::default(), Diagnostics::default());
        let text = "a = \nb = 2\nc = [1,,2]\nb = 3\n";
        let source = sources.add(Source { name: "x.toml".into(), text: text.into(), argument: false });
        let node = document(source, &sources, &mut faults);
        let lines: Vec<_> = faults.iter().map(|f| f.line().unwrap()).collect();
        assert!([1, 3, 4].iter().all(|line| lines.contains(line)), "{lines:?}");
        assert_eq!(node.at("b").unwrap().to_value(), toml::Value::Integer(2));
    }
}
