//! Comma- or tab-separated values with a header (RFC 4180): a quoted field may hold separators, line ends and doubled quotes.
//!
//! Values stay texts; where a format wants a number, a text that is one counts as it. An empty field without quotes is null.

use std::io::{BufRead, Read};

use serde_json::{Map, Value};

use super::lines::{trim, without_mark};
use super::place::Record;
use super::{Cut, Framing, MAX_LINE_BYTES, no_nul, text_of};
use crate::{Fault, RowError};

/// Cuts at line ends outside of quotes.
#[derive(Debug, Default)]
pub(crate) struct Records {
    line: u64,
    offset: u64,
    over: bool,
}

impl Framing for Records {
    fn next(&mut self, reader: &mut dyn BufRead, buffer: &mut Vec<u8>) -> std::io::Result<Option<Cut>> {
        buffer.clear();
        if self.over {
            return Ok(None);
        }
        let (start, number) = (self.offset, self.line + 1);
        let (mut read, mut open) = (0, false);
        loop {
            let room = (MAX_LINE_BYTES + 2).saturating_sub(read);
            let more = Read::take(&mut *reader, room as u64).read_until(b'\n', buffer)?;
            open ^= buffer[read..].iter().filter(|b| **b == b'"').count() % 2 == 1;
            (read, self.offset, self.line) = (read + more, self.offset + more as u64, self.line + 1);
            // A quotation mark that stays open, up to the end or the limit, leaves no place to go on from.
            self.over = more == 0 || !buffer.ends_with(b"\n");
            if self.over || !open {
                break;
            }
        }
        if buffer.is_empty() {
            return Ok(None);
        }
        trim(buffer);
        let offset = if start == 0 && without_mark(buffer) { 3 } else { start };
        Ok(Some(Cut { number, column: 0, offset, too_long: buffer.len() > MAX_LINE_BYTES, last: false }))
    }

    fn bytes(&self) -> u64 {
        self.offset
    }
}

/// The names of the columns.
#[derive(Debug)]
pub(crate) struct Header {
    separator: u8,
    names: Vec<String>,
}

impl Header {
    /// Reads the first record.
    pub(super) fn read(record: &Record<'_>, separator: u8) -> Result<Self, RowError> {
        let fields = Self { separator, names: Vec::new() }.fields(record)?;
        let names: Vec<String> = fields.into_iter().map(|f| f.unwrap_or_default()).collect();
        let repeated = names.iter().enumerate().find(|(i, name)| name.is_empty() || names[..*i].contains(name));
        let Some((i, name)) = repeated else { return Ok(Self { separator, names }) };
        let why = match name.as_str() {
            "" => format!("column {} of the header has no name", i + 1),
            name => format!("the header names `{name}` twice"),
        };
        Err(record.error_at(0, Fault::Csv { why }))
    }

    /// A record as columns.
    pub(super) fn decode(&self, record: &Record<'_>) -> Result<Map<String, Value>, RowError> {
        let (fields, names) = (self.fields(record)?, &self.names);
        if fields.len() != names.len() {
            let why = format!("the record has {} fields, the header {}", fields.len(), names.len());
            return Err(record.error_at(0, Fault::Csv { why }));
        }
        Ok(names.iter().cloned().zip(fields.into_iter().map(|f| f.map_or(Value::Null, Value::String))).collect())
    }

    fn fields(&self, record: &Record<'_>) -> Result<Vec<Field>, RowError> {
        let text = no_nul(record, text_of(record)?)?;
        split(text, self.separator).map_err(|(at, why)| record.error_at(at, Fault::Csv { why: why.into() }))
    }
}

type Field = Option<String>;

/// The fields of a record, or where it breaks the rules and how.
fn split(text: &str, separator: u8) -> Result<Vec<Field>, (usize, &'static str)> {
    let bytes = text.as_bytes();
    let (mut fields, mut at) = (Vec::new(), 0);
    loop {
        let (field, end) = if bytes.get(at) == Some(&b'"') {
            let (content, end) = quoted(text, at)?;
            (Some(content), end)
        } else {
            let end = bytes[at..].iter().position(|b| *b == separator).map_or(bytes.len(), |i| at + i);
            if let Some(i) = bytes[at..end].iter().position(|b| *b == b'"') {
                return Err((at + i, "a quotation mark stands inside a field that does not start with one"));
            }
            ((end > at).then(|| text[at..end].to_owned()), end)
        };
        fields.push(field);
        match bytes.get(end) {
            None => return Ok(fields),
            Some(b) if *b == separator => at = end + 1,
            Some(_) => return Err((end, "something stands behind a closing quotation mark")),
        }
    }
}

/// The content of a quoted field, and where the text goes on behind it.
fn quoted(text: &str, start: usize) -> Result<(String, usize), (usize, &'static str)> {
    let (mut content, mut at) = (String::new(), start + 1);
    loop {
        let Some(mark) = text[at..].find('"') else { return Err((start, "a quotation mark is opened and never closed")) };
        content.push_str(&text[at..at + mark]);
        at += mark + 1;
        if text.as_bytes().get(at) != Some(&b'"') {
            return Ok((content, at));
        }
        content.push('"');
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(text: &str) -> Vec<Option<String>> {
        split(text, b',').unwrap()
    }

    #[test]
    fn quotes_separators_and_line_ends_stand_inside_quotes() {
        let some = |s: &str| Some(s.to_owned());
        assert_eq!(fields("a,\"b,\n\"\"c\"\"\",,\"\""), [some("a"), some("b,\n\"c\""), None, some("")]);
        assert_eq!(fields(""), [None]);
    }

    #[test]
    fn what_breaks_the_rules_is_pointed_at() {
        assert_eq!(split("a,\"b", b',').unwrap_err().0, 2);
        assert_eq!(split("a\"b", b',').unwrap_err().0, 1);
        assert_eq!(split("\"a\"b", b',').unwrap_err().0, 3);
    }

    proptest! {
        #[test]
        fn what_is_written_by_the_rules_is_read_back(row in prop::collection::vec("[ -~é\n\"]*", 1..6)) {
            let written: Vec<String> = row.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
            prop_assert_eq!(fields(&written.join(",")), row.into_iter().map(Some).collect::<Vec<_>>());
        }

        #[test]
        fn nothing_panics(text in ".*") {
            let _ = split(&text, b',');
        }
    }
}
