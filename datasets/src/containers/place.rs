//! Where a row stands, so that what is wrong with it can be pointed at.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use super::Cut;
use crate::{Fault, RowError};

/// A row's place in its file.
pub(crate) trait Place {
    /// An error at the column that the fault is about, or at the start of the row.
    fn error(&self, fault: Fault) -> RowError;

    /// The row as it stands, for a file of rejects.
    fn raw(&self) -> Cow<'_, str>;
}

/// A record of a text file: a line, an element of a JSON array, a record of CSV.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) file: &'a Arc<Path>,
    /// The line that it starts on, counted from 1.
    pub(crate) number: u64,
    /// Characters before it on that line.
    pub(crate) column: u64,
    /// Bytes before it in the file (in the decompressed text, if the file is compressed).
    pub(crate) offset: u64,
    pub(crate) bytes: &'a [u8],
    pub(super) cut: Cut,
}

impl Record<'_> {
    /// An error at byte `at` of the record.
    pub(crate) fn error_at(&self, at: usize, fault: Fault) -> RowError {
        let at = at.min(self.bytes.len());
        let before = &self.bytes[..at];
        let lines = before.iter().filter(|b| **b == b'\n').count() as u64;
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let indent = if lines == 0 { self.column } else { 0 };
        let column = indent + String::from_utf8_lossy(&before[start..]).chars().count() as u64 + 1;
        RowError {
            file: Arc::clone(self.file),
            line: self.number + lines,
            column,
            offset: self.offset + at as u64,
            excerpt: excerpt(self.bytes, at),
            fault: fault.into(),
        }
    }
}

/// Where the key stands in a text that is a JSON object: only keys of the object itself count. A key written with escapes is not found.
pub(crate) fn find_key(bytes: &[u8], key: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_u32, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let end = string_end(bytes, at + 1);
                let is_key = bytes[end..].iter().skip(1).find(|b| !b.is_ascii_whitespace()) == Some(&b':');
                if depth == 1 && is_key && &bytes[at + 1..end] == key.as_bytes() {
                    return Some(at);
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the quotation mark that ends a string stands (or the end of the record).
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// The text around a byte, on one line.
pub(crate) fn excerpt(bytes: &[u8], at: usize) -> String {
    const BEFORE: usize = 24;
    const AFTER: usize = 40;
    let inside = |b: u8| b & 0xC0 == 0x80; // the middle of a UTF-8 character
    let mut from = at.saturating_sub(BEFORE);
    while from > 0 && inside(bytes[from]) {
        from -= 1;
    }
    let mut to = (at + AFTER).min(bytes.len());
    while to < bytes.len() && inside(bytes[to]) {
        to += 1;
    }
    let mut out = String::new();
    out.push_str(if from > 0 { "…" } else { "" });
    for c in String::from_utf8_lossy(&bytes[from..to]).chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out.push_str(if to < bytes.len() { "…" } else { "" });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_at_the_top_level_only() {
        let line = br#"{"x": {"b": "\"b\":"}, "y": "b", "b" : 1}"#;
        assert_eq!(find_key(line, "b"), Some(33));
        assert_eq!(find_key(line, "z"), None);
    }

    #[test]
    fn a_place_inside_a_record_of_several_lines_has_its_own_line_and_column() {
        let file: Arc<Path> = Path::new("d.json").into();
        let cut = Cut { number: 7, column: 2, offset: 100, too_long: false, last: false };
        let bytes = "{\n  \"é\": 1,\n  \"b\": 2}".as_bytes();
        let record = Record { file: &file, number: 7, column: 2, offset: 100, bytes, cut };
        let at = |at: usize| {
            let error = record.error_at(at, Fault::Nul);
            (error.line, error.column, error.offset)
        };
        assert_eq!(at(0), (7, 3, 100));
        assert_eq!(at(8), (8, 6, 108));
        assert_eq!(at(find_key(bytes, "b").unwrap()), (9, 3, 115));
    }
}
