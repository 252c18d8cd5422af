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
mod stream;
mod table;
mod write;

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

pub(crate) use place::Place;
pub(crate) use stream::{Batch, Batches, Named, columns_of};
pub(crate) use table::TableRow;
pub use write::Writer;

use crate::fields::kind;
use crate::{DataError, Fault, RowError};
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

/// A file, opened and recognised.
pub(crate) enum Container {
    /// Text, in batches, and how its records become rows.
    Text(Batches, Decode),
    /// A table.
    Table(table::Rows),
}

/// Where a record was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
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
#[derive(Debug)]
pub(crate) enum Decode {
    Json,
    Element,
    Text,
    Csv(csv::Header),
}

/// What is wrong with a file as a whole, or with its header.
pub(crate) enum Unopened {
    File(DataError),
    Header(Box<RowError>),
}

/// Opens a file and recognises its container.
pub(crate) fn open(key: &'static str, path: &Path) -> Result<Container, Unopened> {
    let opened = codec::open(path).map_err(|e| Unopened::File(unreadable(key, path, 0, e)))?;
    let mut reader = match opened {
        codec::Opened::Table(file) => return table::open(path, file).map(Container::Table).map_err(Unopened::File),
        codec::Opened::Text(reader) => reader,
    };
    let first = first_byte(reader.as_mut()).map_err(|e| Unopened::File(unreadable(key, path, 0, e)))?;
    let lines = |reader| Batches::new(reader, Box::new(lines::Lines::default()), false);
    Ok(match codec::ending(path).as_str() {
        "csv" => values(key, path, reader, b',')?,
        "tsv" => values(key, path, reader, b'\t')?,
        "txt" => Container::Text(lines(reader), Decode::Text),
        _ if first == Some(b'[') => Container::Text(Batches::new(reader, Box::new(array::Elements::default()), true), Decode::Element),
        _ => Container::Text(lines(reader), Decode::Json),
    })
}

/// Comma- or tab-separated values, their header read.
fn values(key: &'static str, path: &Path, reader: Box<dyn BufRead>, separator: u8) -> Result<Container, Unopened> {
    let mut batches = Batches::new(reader, Box::new(csv::Records::default()), false);
    let first = batches.first().map_err(|e| Unopened::File(unreadable(key, path, batches.bytes(), e)))?;
    let file: Arc<Path> = path.into();
    if first.len() == 0 {
        return Ok(Container::Text(batches, Decode::Text));
    }
    let header = csv::Header::read(&first.record(0, &file), separator).map_err(|e| Unopened::Header(Box::new(e)))?;
    Ok(Container::Text(batches, Decode::Csv(header)))
}

/// Why a stream could be read up to `bytes` only. The system names its errors by a number; what has none comes from the decompressor.
pub(crate) fn unreadable(key: &'static str, path: &Path, bytes: u64, source: std::io::Error) -> DataError {
    let path = path.to_owned();
    if source.raw_os_error().is_some() { DataError::Read { key, path, source } } else { DataError::Damaged { path, offset: bytes, source } }
}

/// The first byte that is no white space and no byte order mark, as far as the first buffer shows it.
fn first_byte(reader: &mut dyn BufRead) -> std::io::Result<Option<u8>> {
    let start = reader.fill_buf()?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    Ok(start.iter().copied().find(|b| !b.is_ascii_whitespace()))
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

/// The text of a record.
fn text_of<'a>(record: &Record<'a>) -> Result<&'a str, RowError> {
    let bytes = record.bytes;
    if record.offset == 0 && (bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff")) {
        return Err(record.error_at(0, Fault::Utf16));
    }
    std::str::from_utf8(bytes).map_err(|e| record.error_at(e.valid_up_to(), Fault::Utf8))
}

/// A zero byte in a text; JSON refuses it by itself.
fn no_nul<'a>(record: &Record<'_>, text: &'a str) -> Result<&'a str, RowError> {
    memchr::memchr(0, text.as_bytes()).map_or(Ok(text), |at| Err(record.error_at(at, Fault::Nul)))
}

/// The columns of a record.
fn decode(record: &Record<'_>, by: &Decode) -> Result<Map<String, Value>, RowError> {
    match by {
        Decode::Text => Ok(Map::from_iter([("text".to_owned(), Value::from(no_nul(record, text_of(record)?)?))])),
        Decode::Csv(header) => header.decode(record),
        Decode::Json | Decode::Element => {
            let text = text_of(record)?;
            match serde_json::from_str(text) {
                Ok(Value::Object(json)) => Ok(json),
                Ok(other) => Err(record.error_at(0, Fault::NotAnObject { found: kind(&other) })),
                Err(error) => Err(no_nul(record, text).err().unwrap_or_else(|| record.error_at(byte_of(text, &error), json_fault(&error)))),
            }
        }
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

#[cfg(test)]
mod tests;
