//! Where values come from: files, texts and `key=value` arguments, and places in them.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A layer of the configuration; a later one wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// A TOML file.
    File(PathBuf),
    /// A TOML text that is no file (standard input, a stored configuration), and its name in messages.
    Text {
        /// What messages call it.
        name: String,
        /// The TOML.
        text: String,
    },
    /// An argument `key=value`.
    Set(String),
}

impl Layer {
    /// Tells recipe files from `key=value` arguments; arguments come after all files, whatever their order on the command line.
    ///
    /// An argument is an override if what stands before its first `=` is a dotted key (letters, digits, `_`, `-`, `.`) that does not end
    /// in `.toml`.
    #[must_use]
    pub fn from_arguments(arguments: &[String]) -> Vec<Self> {
        let (sets, files): (Vec<_>, Vec<_>) = arguments.iter().partition(|a| is_override(a));
        files.into_iter().map(|f| Self::File(f.into())).chain(sets.into_iter().map(|s| Self::Set(s.clone()))).collect()
    }
}

fn is_override(argument: &str) -> bool {
    let part_of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    argument.split_once('=').is_some_and(|(key, _)| !key.is_empty() && !key.ends_with(".toml") && key.chars().all(part_of_key))
}

/// A text that values were read from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// What messages call it: the path, or `command line: key=value`.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
    /// Whether it is a `key=value` argument.
    pub argument: bool,
}

/// A stretch of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The source's position in [`Sources`].
    pub source: usize,
    /// The bytes.
    pub span: Range<usize>,
}

/// Line and column of a byte, both counted from 1, columns in characters.
pub(super) fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(byte.min(text.len()))];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// All sources of a configuration, in the order of the layers.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    /// Adds a source and tells its position.
    pub(super) fn add(&mut self, source: Source) -> usize {
        self.0.push(source);
        self.0.len() - 1
    }

    /// The source of a place.
    pub(super) fn of(&self, place: &Place) -> &Source {
        &self.0[place.source]
    }

    /// The last source that is a file or a text.
    pub(super) fn last_file(&self) -> Option<&Source> {
        self.0.iter().rev().find(|s| !s.argument)
    }

    /// A place as `recipe.toml:12:3`, or `command line: key=value`.
    pub(super) fn show(&self, place: &Place) -> String {
        let source = self.of(place);
        if source.argument {
            return source.name.clone();
        }
        let (line, column) = line_and_column(&source.text, place.span.start);
        format!("{}:{line}:{column}", source.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_overrides_are_told_apart() {
        let arguments = ["a.toml", "learner.lr=1e-5", "runs/x=1.toml", "eval.every=a=b", "odd.toml=x"].map(String::from);
        let layers = Layer::from_arguments(&arguments);
        let file = |f: &str| Layer::File(f.into());
        let set = |s: &str| Layer::Set(s.into());
        let wanted = [file("a.toml"), file("runs/x=1.toml"), file("odd.toml=x"), set("learner.lr=1e-5"), set("eval.every=a=b")];
        assert_eq!(layers, wanted);
    }

    #[test]
    fn columns_count_characters_and_lines_start_at_one() {
        let text = "a = \"é\" # x\nb = 1";
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, text.find('#').unwrap()), (1, 9));
        assert_eq!(line_and_column(text, text.find("1").unwrap()), (2, 5));
        assert_eq!(line_and_column(text, 999), (2, 6));
    }
}
