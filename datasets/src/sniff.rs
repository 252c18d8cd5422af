//! Which format a row has, and what to say where it has none.

use std::path::Path;

use serde_json::{Map, Value};

use crate::judge::strangers;
use crate::{DataError, FORMATS, Format, fields};

/// The format that knows a row.
pub(crate) fn format_of(row: &Map<String, Value>) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|f| f.sniff(row))
}

/// No format fits; if the columns come close to those of one, what it misses is named.
pub(crate) fn no_format(row: &Map<String, Value>, file: &Path, line: u64) -> DataError {
    let some = |f: &&'static dyn Format| {
        let needed = needed(*f);
        if needed.is_empty() { f.card().fields.iter().take(1).map(|c| c.name).collect() } else { needed }
    };
    let known: Vec<_> = FORMATS.iter().filter(|f| f.reads()).map(|f| format!("`{}` ({})", f.card().name, some(f).join(", "))).collect();
    DataError::NoFormat { file: file.to_owned(), line, columns: fields::columns(row), close: closest(row), known: known.join(", ") }
}

/// The columns that a row of a format must have.
fn needed(format: &'static dyn Format) -> Vec<&'static str> {
    format.card().fields.iter().filter(|c| !c.kind.contains("optional")).map(|c| c.name).collect()
}

/// The format with the largest share of its columns in the row, at least half; and what it misses.
fn closest(row: &Map<String, Value>) -> Option<String> {
    let score = |format: &'static dyn Format| {
        let needed = needed(format);
        (needed.iter().filter(|name| row.contains_key(**name)).count(), needed.len(), format)
    };
    let scored = FORMATS.iter().copied().filter(|f| f.reads()).map(score);
    let enough = scored.filter(|(there, needed, _)| *there * 2 >= *needed && *there >= 1 && there < needed);
    let (_, _, format) = enough.max_by_key(|(there, needed, _)| (*there * 1000 / *needed, *there))?;
    let missing = needed(format).into_iter().filter(|name| !row.contains_key(*name));
    let told = missing.map(|name| {
        let near = fields::nearest(name, strangers(format, row)).map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
        format!("`{name}`{near}")
    });
    Some(format!("as `{}` it misses {}", format.card().name, told.collect::<Vec<_>>().join(", ")))
}
