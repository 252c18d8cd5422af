//! Containers: from a file, plain or compressed, to its rows. One row is held at a time, whatever the size of the file.
//!
//! | container | told by | a row |
//! |---|---|---|
//! | JSON lines | anything else | a line |
//! | JSON array | `[` as the first character | an element of the list |
//! | CSV, TSV | the ending `.csv`, `.tsv` | a record; the first one names the columns |
//! | plain text | the ending `.txt` | a line that holds something: `{"text": line}` |
//! | Parquet | `PAR1` as the first bytes | a row of the table (with the feature `parquet`) |
//!
//! The first four may be compressed by gzip or zstd, told by their first bytes.

mod array;
mod codec;
mod csv;
pub(crate) mod files;
#[cfg(feature = "hub")]
mod hub;
mod lines;
pub(crate) mod place;
mod readme;
mod table;
mod write;

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

pub(crate) use place::Place;
pub use write::Writer;

use crate::columns::Columns;
use crate::fields::kind;
use crate::{DataError, Fault, Row, RowError};
use codec::Opened;
use place::Record;

/// The longest row that is read, in bytes of its text. A longer one is an error and is skipped without being held in memory.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// What was seen of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Records that hold something.
    pub(crate) rows: u64,
    /// Lines that hold nothing.
    pub(crate) blank: u64,
    /// Bytes of the (decompressed) text; of a table, of the file.
    pub(crate) bytes: u64,
}

/// Whether reading goes on.
pub(crate) type Flow = std::ops::ControlFlow<()>;

/// Gets each row, or what is wrong with it, and may stop the reading.
pub(crate) type Visit<'v> = dyn FnMut(&dyn Place, Result<&Row, RowError>) -> Flow + 'v;

/// Where a record was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    number: u64,
    column: u64,
    offset: u64,
    too_long: bool,
    /// The record ends where the file ends though something is open.
    last: bool,
}

/// Cuts a stream into records.
trait Framing {
    /// The next record, without what separates it from the next.
    fn next(&mut self, reader: &mut dyn BufRead, buffer: &mut Vec<u8>) -> std::io::Result<Option<Cut>>;

    /// How far the stream was read.
    fn bytes(&self) -> u64;
}

/// How the records of a stream become rows.
enum Decode {
    Json,
    Element,
    Text,
    Csv(csv::Header),
}

/// Reads all rows of a file. Columns are renamed before the row is handed on.
///
/// # Errors
/// When the file cannot be opened, is damaged, or is of a kind that this build does not read. What is wrong with rows goes to `visit`.
pub(crate) fn read_rows(key: &'static str, path: &Path, columns: &Columns, visit: &mut Visit<'_>) -> Result<Seen, DataError> {
    let unreadable = |source| DataError::Read { key, path: path.to_owned(), source };
    match codec::open(path).map_err(unreadable)? {
        Opened::Table(file) => table::read(key, path, file, columns, visit),
        Opened::Text(mut reader) => {
            let damaged = |source| DataError::Damaged { path: path.to_owned(), offset: 0, source };
            let first = first_byte(reader.as_mut()).map_err(damaged)?;
            let (mut framing, decode) = kind_of(path, first);
            read_text(reader.as_mut(), framing.as_mut(), decode, path, columns, visit).map_err(|source| {
                // The system names its errors by a number; what has none comes from the decompressor.
                if source.raw_os_error().is_some() {
                    return unreadable(source);
                }
                DataError::Damaged { path: path.to_owned(), offset: framing.bytes(), source }
            })
        }
    }
}

/// The first byte that is no white space and no byte order mark, as far as the first buffer shows it.
fn first_byte(reader: &mut dyn BufRead) -> std::io::Result<Option<u8>> {
    let start = reader.fill_buf()?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    Ok(start.iter().copied().find(|b| !b.is_ascii_whitespace()))
}

fn kind_of(path: &Path, first: Option<u8>) -> (Box<dyn Framing>, Decode) {
    match codec::ending(path).as_str() {
        "csv" => (Box::new(csv::Records::default()), Decode::Csv(csv::Header::new(b','))),
        "tsv" => (Box::new(csv::Records::default()), Decode::Csv(csv::Header::new(b'\t'))),
        "txt" => (Box::new(lines::Lines::default()), Decode::Text),
        _ if first == Some(b'[') => (Box::new(array::Elements::default()), Decode::Element),
        _ => (Box::new(lines::Lines::default()), Decode::Json),
    }
}

fn read_text(
    reader: &mut dyn BufRead,
    framing: &mut dyn Framing,
    mut decode: Decode,
    path: &Path,
    columns: &Columns,
    visit: &mut Visit<'_>,
) -> std::io::Result<Seen> {
    let file: Arc<Path> = path.into();
    let mut seen = Seen::default();
    let mut buffer = Vec::new();
    while let Some(cut) = framing.next(reader, &mut buffer)? {
        let record = Record { file: &file, number: cut.number, column: cut.column, offset: cut.offset, bytes: &buffer };
        let blank = !matches!(decode, Decode::Element) && buffer.iter().all(u8::is_ascii_whitespace);
        if blank {
            seen.blank += 1;
            continue;
        }
        let row = match cut {
            Cut { too_long: true, .. } => Err(record.error_at(0, Fault::LongLine { limit: MAX_LINE_BYTES })),
            Cut { last: true, .. } => Err(record.error_at(0, unclosed(&buffer))),
            _ => parse(&record, &mut decode),
        };
        let row = match row {
            Ok(None) => continue,
            Ok(Some(json)) => Ok(Row { json: columns.rename(json), file: Arc::clone(&file), line: cut.number }),
            Err(error) => Err(error),
        };
        seen.rows += 1;
        let hopeless = matches!(&row, Err(e) if matches!(*e.fault, Fault::Utf16)) || matches!(&decode, Decode::Csv(h) if h.is_missing());
        let place = Named { record, columns };
        if visit(&place, row.as_ref().map_err(Clone::clone)).is_break() || hopeless {
            break;
        }
    }
    seen.bytes = framing.bytes();
    Ok(seen)
}

/// What is wrong where a list of JSON ends.
fn unclosed(rest: &[u8]) -> Fault {
    let message = match rest {
        [] => "the list is never closed with `]`".into(),
        [_] => "something stands outside of the list".into(),
        _ => "the file ends inside of this element".into(),
    };
    Fault::Json { message }
}

/// The columns of a record; nothing for a header.
fn parse(record: &Record<'_>, decode: &mut Decode) -> Result<Option<Map<String, Value>>, RowError> {
    let bytes = record.bytes;
    if record.offset == 0 && (bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff")) {
        return Err(record.error_at(0, Fault::Utf16));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| record.error_at(e.valid_up_to(), Fault::Utf8))?;
    if let Some(at) = memchr::memchr(0, bytes) {
        return Err(record.error_at(at, Fault::Nul));
    }
    match decode {
        Decode::Text => Ok(Some(Map::from_iter([("text".to_owned(), Value::from(text))]))),
        Decode::Csv(header) => header.decode(record, text),
        Decode::Json | Decode::Element => match serde_json::from_str(text) {
            Ok(Value::Object(json)) => Ok(Some(json)),
            Ok(other) => Err(record.error_at(0, Fault::NotAnObject { found: kind(&other) })),
            Err(error) => Err(record.error_at(byte_of(text, &error), json_fault(&error))),
        },
    }
}

/// Where the parser stopped; it tells line and column, which counts bytes.
fn byte_of(text: &str, error: &serde_json::Error) -> usize {
    let start = match error.line() {
        0 | 1 => 0,
        line => memchr::memchr_iter(b'\n', text.as_bytes()).nth(line - 2).map_or(0, |i| i + 1),
    };
    start + error.column().saturating_sub(1)
}

fn json_fault(error: &serde_json::Error) -> Fault {
    let message = error.to_string();
    Fault::Json { message: message.split(" at line ").next().unwrap_or_default().to_owned() }
}

/// A record whose columns carry other names in the file than in the format.
struct Named<'a> {
    record: Record<'a>,
    columns: &'a Columns,
}

impl Place for Named<'_> {
    fn number(&self) -> u64 {
        self.record.number
    }

    fn error(&self, fault: Fault) -> RowError {
        let at = fault.column().and_then(|key| place::find_key(self.record.bytes, self.columns.in_file(key)));
        self.record.error_at(at.unwrap_or(0), fault)
    }

    fn raw(&self) -> std::borrow::Cow<'_, str> {
        self.record.raw()
    }
}

#[cfg(test)]
mod tests;
