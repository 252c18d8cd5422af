//! JSON lines, read within bounds: every line is a row or a located error.

use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::fields::kind;
use crate::{Fault, Row, RowError};

/// The longest line that is read, in bytes without its end. A longer one is an error and is skipped without being held in memory.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// A line of a file, to place errors in.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) file: &'a Arc<Path>,
    pub(crate) number: u64,
    pub(crate) offset: u64,
    pub(crate) bytes: &'a [u8],
}

impl Line<'_> {
    /// An error at byte `at` of the line.
    pub(crate) fn error_at(&self, at: usize, fault: Fault) -> RowError {
        let at = at.min(self.bytes.len());
        let column = String::from_utf8_lossy(&self.bytes[..at]).chars().count() as u64 + 1;
        let offset = self.offset + at as u64;
        RowError { file: Arc::clone(self.file), line: self.number, column, offset, excerpt: excerpt(self.bytes, at), fault: fault.into() }
    }

    /// An error at the column that the fault is about, or at the start of the row.
    pub(crate) fn error(&self, fault: Fault) -> RowError {
        let at = fault.column().and_then(|key| find_key(self.bytes, key)).unwrap_or(0);
        self.error_at(at, fault)
    }
}

/// What was seen of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Lines that hold something.
    pub(crate) rows: u64,
    /// Lines that hold nothing.
    pub(crate) blank: u64,
    /// The length of the file.
    pub(crate) bytes: u64,
}

/// Whether reading goes on.
pub(crate) type Flow = std::ops::ControlFlow<()>;

/// Reads all rows. `visit` gets each row, or what is wrong with it, and may stop the reading.
pub(crate) fn read_rows(
    mut reader: impl BufRead,
    file: &Arc<Path>,
    visit: &mut dyn FnMut(&Line<'_>, Result<Row, RowError>) -> Flow,
) -> std::io::Result<Seen> {
    let mut seen = Seen::default();
    let mut buffer = Vec::new();
    let mut number = 0;
    loop {
        buffer.clear();
        let start = seen.bytes;
        // Two more bytes than the limit: the end of the line does not count.
        seen.bytes += (&mut reader).take(MAX_LINE_BYTES as u64 + 2).read_until(b'\n', &mut buffer)? as u64;
        if buffer.is_empty() {
            return Ok(seen);
        }
        number += 1;
        let ended = buffer.ends_with(b"\n");
        let (offset, bytes) = trim(&buffer, start);
        let line = Line { file, number, offset, bytes };
        if bytes.iter().all(u8::is_ascii_whitespace) {
            seen.blank += 1;
            continue;
        }
        seen.rows += 1;
        let row =
            if bytes.len() > MAX_LINE_BYTES { Err(line.error_at(0, Fault::LongLine { limit: MAX_LINE_BYTES })) } else { parse(&line) };
        let hopeless = matches!(&row, Err(e) if matches!(*e.fault, Fault::Gzip | Fault::Utf16));
        if visit(&line, row).is_break() || hopeless {
            return Ok(seen);
        }
        if !ended {
            seen.bytes += reader.skip_until(b'\n')? as u64;
        }
    }
}

/// Takes off the end of the line, and the byte order mark at the start of a file.
fn trim(line: &[u8], start: u64) -> (u64, &[u8]) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) if start == 0 => (3, rest),
        _ => (start, line),
    }
}

fn parse(line: &Line<'_>) -> Result<Row, RowError> {
    let bytes = line.bytes;
    if line.offset == 0 && bytes.starts_with(b"\x1f\x8b") {
        return Err(line.error_at(0, Fault::Gzip));
    }
    if line.offset == 0 && (bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff")) {
        return Err(line.error_at(0, Fault::Utf16));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| line.error_at(e.valid_up_to(), Fault::Utf8))?;
    if let Some(at) = text.find('\0') {
        return Err(line.error_at(at, Fault::Nul));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(json)) => Ok(Row { json, file: Arc::clone(line.file), line: line.number }),
        Ok(other) => Err(line.error_at(0, Fault::NotAnObject { found: kind(&other) })),
        Err(error) => {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            Err(line.error_at(error.column().saturating_sub(1), Fault::Json { message }))
        }
    }
}

/// Where the key stands in a line that is a JSON object: only keys of the object itself count. A key written with escapes is not found.
fn find_key(bytes: &[u8], key: &str) -> Option<usize> {
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

/// Where the quotation mark that ends a string stands (or the end of the line).
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// The text around a byte, on one line.
fn excerpt(bytes: &[u8], at: usize) -> String {
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

    fn rows(bytes: &[u8]) -> (Vec<Result<Row, RowError>>, Seen) {
        let mut out = Vec::new();
        let file = Path::new("d.jsonl").into();
        let seen = read_rows(bytes, &file, &mut |_, row| {
            out.push(row);
            Flow::Continue(())
        });
        (out, seen.unwrap())
    }

    /// Line, column, offset and fault of the only error.
    fn only_error(bytes: &[u8]) -> RowError {
        let mut errors: Vec<_> = rows(bytes).0.into_iter().filter_map(Result::err).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.remove(0)
    }

    #[test]
    fn bom_crlf_blank_lines_and_a_missing_last_line_end_are_no_errors() {
        let (rows, seen) = rows(b"\xef\xbb\xbf{\"a\":1}\r\n\r\n  \n{\"a\":2}");
        let read: Vec<_> = rows.into_iter().map(|r| r.map(|r| (r.line, r.json["a"].clone())).unwrap()).collect();
        assert_eq!(read, [(1, 1.into()), (4, 2.into())]);
        assert_eq!(seen, Seen { rows: 2, blank: 2, bytes: 24 });
    }

    #[test]
    fn invalid_utf8_is_located_to_the_byte() {
        let error = only_error(b"{\"a\":1}\n{\"\xc3\xa9\":\"\xff\"}\n{\"a\":2}\n");
        assert_eq!((error.line, error.column, error.offset, &*error.fault), (2, 7, 8 + 7, &Fault::Utf8));
    }

    #[test]
    fn columns_are_counted_in_characters_and_the_text_is_shown() {
        let error = only_error("{\"é\": 1 \"b\": 2}\n".as_bytes());
        assert_eq!((error.line, error.column, error.offset), (1, 9, 9));
        let shown = error.to_string();
        assert!(shown.starts_with("d.jsonl:1:9: not JSON: expected `,` or `}`, at `{\"é\": 1 \"b\": 2}`"), "{shown}");
    }

    #[test]
    fn lone_surrogates_and_nul_bytes_are_named() {
        let error = only_error(br#"{"a":"\ud83d x"}"#);
        assert!(error.fault.mend().contains("pair of escapes"), "{error}");
        assert_eq!(*only_error(b"{\"a\":\"\0\"}").fault, Fault::Nul);
        assert_eq!(*only_error(b"[1]\n").fault, Fault::NotAnObject { found: "a list" });
    }

    #[test]
    fn compressed_and_utf16_files_give_one_error_each() {
        assert_eq!(*only_error(b"\x1f\x8b\x08\x00\n\n\x01\n\x02").fault, Fault::Gzip);
        assert_eq!(*only_error(b"\xff\xfe{\0}\0\n\0{\0}\0").fault, Fault::Utf16);
    }

    #[test]
    fn a_line_beyond_the_limit_is_skipped_and_the_next_one_is_read() {
        let wide = |n: usize| format!("{{\"a\":\"{}\"}}\n{{\"a\":1}}\n", "x".repeat(n - 8));
        let (fits, _) = rows(wide(MAX_LINE_BYTES).as_bytes());
        assert!(fits.iter().all(Result::is_ok));
        for beyond in [1, 2, 3, 5000] {
            let text = wide(MAX_LINE_BYTES + beyond);
            let (read, seen) = rows(text.as_bytes());
            assert_eq!(*read[0].as_ref().unwrap_err().fault, Fault::LongLine { limit: MAX_LINE_BYTES });
            assert_eq!((read.len(), read[1].as_ref().unwrap().line, seen.bytes), (2, 2, text.len() as u64));
        }
    }

    #[test]
    fn a_key_is_found_at_the_top_level_only() {
        let line = br#"{"x": {"b": "\"b\":"}, "y": "b", "b" : 1}"#;
        assert_eq!(find_key(line, "b"), Some(33));
        assert_eq!(find_key(line, "z"), None);
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_every_byte_is_seen(bytes: Vec<u8>) {
            let (rows, seen) = rows(&bytes);
            let hopeless = rows.iter().any(|r| matches!(r, Err(e) if matches!(*e.fault, Fault::Gzip | Fault::Utf16)));
            proptest::prop_assert!(hopeless || seen.bytes == bytes.len() as u64);
        }
    }
}
