//! Typed access to the columns of a row, with errors that name the column.

use serde_json::{Map, Value};

use crate::Fault;

/// The value of a column.
pub(crate) fn want<'a>(row: &'a Map<String, Value>, field: &str) -> Result<&'a Value, Fault> {
    row.get(field).ok_or_else(|| missing(row, field))
}

/// The text of a column. It must hold more than white space.
pub(crate) fn text<'a>(row: &'a Map<String, Value>, field: &str) -> Result<&'a str, Fault> {
    let value = want(row, field)?;
    let text = value.as_str().ok_or_else(|| wrong(field, "a string", value))?;
    if text.trim().is_empty() { Err(empty(field)) } else { Ok(text) }
}

/// The text of a column that may be missing or null.
pub(crate) fn optional_text<'a>(row: &'a Map<String, Value>, field: &str) -> Result<Option<&'a str>, Fault> {
    match row.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => text(row, field).map(Some),
    }
}

/// The whole number of a column.
pub(crate) fn integer(row: &Map<String, Value>, field: &str) -> Result<i64, Fault> {
    let value = want(row, field)?;
    value.as_i64().ok_or_else(|| wrong(field, "a whole number", value))
}

pub(crate) fn missing(row: &Map<String, Value>, field: &str) -> Fault {
    let nearest = nearest(field, row.keys().map(String::as_str)).map(str::to_owned);
    Fault::Missing { field: field.to_owned(), nearest, columns: columns(row) }
}

pub(crate) fn wrong(field: impl Into<String>, wanted: &'static str, found: &Value) -> Fault {
    Fault::WrongType { field: field.into(), wanted, found: kind(found) }
}

pub(crate) fn empty(field: impl Into<String>) -> Fault {
    Fault::BadValue { field: field.into(), why: "is empty".into(), mend: "give a text, or remove the row".into() }
}

/// The columns of a row, for a message.
pub(crate) fn columns(row: &Map<String, Value>) -> String {
    const MOST: usize = 12;
    if row.is_empty() {
        return "no columns".into();
    }
    let mut names: Vec<String> = row.keys().take(MOST).map(|k| format!("`{k}`")).collect();
    if row.len() > MOST {
        names.push(format!("{} more", row.len() - MOST));
    }
    names.join(", ")
}

/// The name that looks most like `wanted`, if one looks like it at all. Case does not count.
pub(crate) fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(&wanted, &name.to_lowercase());
    let scored = names.into_iter().filter(|n| n.len() <= 64).map(|n| (likeness(n), n));
    scored.filter(|(l, _)| *l >= 0.6).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, n)| n)
}

pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
