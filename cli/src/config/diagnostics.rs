//! What is wrong with a configuration: all of it at once, each with its place and its mend.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use super::source::{Place, Sources, line_and_column};

/// Columns that a rendered message may take.
const WIDTH: usize = 140;

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Problem {
    message: String,
    label: String,
    help: Option<String>,
    key: Option<String>,
    file: Option<String>,
    text: Option<Arc<str>>,
    code: Option<NamedSource<Arc<str>>>,
    span: Option<Range<usize>>,
}

impl Problem {
    /// A problem without a place yet.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        let (message, label) = (message.into(), "here".into());
        Self { message, label, help: None, key: None, file: None, text: None, code: None, span: None }
    }

    /// With the key that it is about.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// With the mend.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// With what is written under the span.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// With a file that has no place to show (it is missing, or the key is missing in it).
    #[must_use]
    pub fn file(self, file: impl Into<String>) -> Self {
        Self { file: Some(file.into()), ..self }
    }

    /// With its place.
    pub(super) fn at(self, sources: &Sources, place: &Place) -> Self {
        let source = sources.of(place);
        let end = source.text.len();
        let span = place.span.start.min(end)..place.span.end.min(end);
        let code = NamedSource::new(&source.name, source.text.clone());
        Self { file: Some(source.name.clone()), text: Some(source.text.clone()), code: Some(code), span: Some(span), ..self }
    }

    /// Line and column, both counted from 1.
    fn position(&self) -> Option<(usize, usize)> {
        Some(line_and_column(self.text.as_ref()?, self.span.as_ref()?.start))
    }

    /// The line, counted from 1.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.position().map(|(line, _)| line)
    }

    /// Whether both stand on one line of one file.
    pub(super) fn same_line(&self, other: &Self) -> bool {
        self.position().is_some() && self.file == other.file && self.line() == other.line()
    }

    /// What is wrong, in one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    fn to_json(&self) -> serde_json::Value {
        let position = self.position();
        serde_json::json!({
            "file": self.file,
            "line": position.map(|p| p.0),
            "column": position.map(|p| p.1),
            "key": self.key,
            "message": self.message,
            "help": self.help,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.key, &self.file, &self.span) {
            (Some(key), Some(file), None) => write!(f, "`{key}` ({file}): {}", self.message),
            (Some(key), _, _) => write!(f, "`{key}`: {}", self.message),
            (None, Some(file), None) => write!(f, "{file}: {}", self.message),
            (None, _, _) => write!(f, "{}", self.message),
        }
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.code.as_ref().map(|c| c as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::new(Some(self.label.clone()), span.start, span.len()))))
    }
}

/// All that is wrong with a configuration, in the order of the files.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics(Vec<Problem>);

impl Diagnostics {
    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds all of another list.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Puts them in the order of the files and lines; what has no place comes last.
    pub(super) fn sort(&mut self) {
        self.0.sort_by_key(|p| (p.span.is_none(), p.file.clone(), p.span.as_ref().map(|s| s.start)));
    }

    /// The problems.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The keys that something is wrong with.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|p| p.key.as_deref())
    }

    /// Whether something is wrong with a key, with what stands in it or with what it stands in.
    pub(super) fn touches(&self, key: &str) -> bool {
        let inside = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.keys().any(|bad| inside(bad, key) || inside(key, bad))
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Itself as an error, if anything is wrong.
    ///
    /// # Errors
    /// Itself, unless it is empty.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The text for a terminal or a log; `colour` for a terminal that shows it.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_links(false).with_context_lines(1);
        let mut out = String::new();
        for problem in &self.0 {
            if handler.render_report(&mut out, problem).is_err() {
                let _ = writeln!(out, "{problem}");
            }
            out.push('\n');
        }
        let _ = write!(out, "{self}");
        out
    }

    /// The list `[{file, line, column, key, message, help}]`; what is not known is null.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.0.iter().map(Problem::to_json).collect()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len() {
            1 => write!(f, "the configuration has 1 error"),
            n => write!(f, "the configuration has {n} errors"),
        }
    }
}

impl std::error::Error for Diagnostics {}

impl FromIterator<Problem> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        Self(problems.into_iter().collect())
    }
}
