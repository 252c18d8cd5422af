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

/// The whole number of a column. A text that is one counts as it: CSV has only texts.
pub(crate) fn integer(row: &Map<String, Value>, field: &str) -> Result<i64, Fault> {
    let value = want(row, field)?;
    let read = value.as_i64().or_else(|| value.as_f64().filter(|x| x.fract() == 0.0 && x.abs() < 9e15).map(|x| x as i64));
    read.or_else(|| value.as_str()?.trim().parse().ok()).ok_or_else(|| wrong(field, "a whole number", value))
}

/// The number of a column. A text that is one counts as it.
pub(crate) fn number(row: &Map<String, Value>, field: &str) -> Result<f64, Fault> {
    number_of(field, want(row, field)?)
}

/// A number, or a text that is one.
pub(crate) fn number_of(field: &str, value: &Value) -> Result<f64, Fault> {
    let read = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|x| x.is_finite());
    read.ok_or_else(|| wrong(field, "a number", value))
}

/// The number of a column that may be missing or null.
pub(crate) fn optional_number(row: &Map<String, Value>, field: &str) -> Result<Option<f64>, Fault> {
    match row.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => number_of(field, value).map(Some),
    }
}

/// The truth value of a column; `true` and `false` as texts count as it.
pub(crate) fn flag_of(field: &str, value: &Value) -> Result<bool, Fault> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        other => Err(wrong(field, "true or false", other)),
    }
}

/// The list of a column.
pub(crate) fn list<'a>(row: &'a Map<String, Value>, field: &str) -> Result<&'a Vec<Value>, Fault> {
    let value = want(row, field)?;
    value.as_array().ok_or_else(|| wrong(field, "a list", value))
}

/// The object of a column.
pub(crate) fn object<'a>(row: &'a Map<String, Value>, field: &str) -> Result<&'a Map<String, Value>, Fault> {
    let value = want(row, field)?;
    value.as_object().ok_or_else(|| wrong(field, "an object", value))
}

/// A column that holds something else than null.
pub(crate) fn has(row: &Map<String, Value>, field: &str) -> bool {
    row.get(field).is_some_and(|v| !v.is_null())
}

/// A value that cannot be used.
pub(crate) fn bad(field: impl Into<String>, why: impl Into<String>, mend: impl Into<String>) -> Fault {
    Fault::BadValue { field: field.into(), why: why.into(), mend: mend.into() }
}

/// The id that a row gives itself; the empty text if it gives none.
pub(crate) fn own_id(row: &Map<String, Value>, field: &str) -> Result<String, Fault> {
    match row.get(field) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(id)) if !id.is_empty() => Ok(id.clone()),
        Some(Value::Number(n)) if !n.is_f64() => Ok(n.to_string()),
        Some(Value::String(_)) => Err(empty(field)),
        Some(other) => Err(wrong(field, "a string or a whole number", other)),
    }
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
