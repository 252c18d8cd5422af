//! From a stream of bytes to batches of records, in the order of the file; whoever has a batch can decode it without the others.

use std::borrow::Cow;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::place::{Place, Record, find_key};
use super::{Cut, Decode, Framing, MAX_LINE_BYTES, decode, unclosed};
use crate::columns::Columns;
use crate::{Fault, RowError};

/// Bytes of a batch.
const BATCH: usize = 1 << 16;
/// Records of a batch: those of a list may be empty.
const MOST: usize = 4096;
/// What is kept of a record that is too long, to be shown.
const SHOWN: usize = 1 << 10;

/// Some records.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Where each record ends in `bytes`, and where it was cut.
    records: Vec<(usize, Cut)>,
    /// Lines that hold nothing.
    pub(crate) blank: u64,
}

impl Batch {
    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// A record as it stands.
    pub(crate) fn raw(&self, index: usize, file: &Arc<Path>) -> String {
        String::from_utf8_lossy(self.record(index, file).bytes).into_owned()
    }

    /// A record.
    pub(crate) fn record<'a>(&'a self, index: usize, file: &'a Arc<Path>) -> Record<'a> {
        let from = index.checked_sub(1).map_or(0, |i| self.records[i].0);
        let (to, cut) = self.records[index];
        Record { file, number: cut.number, column: cut.column, offset: cut.offset, bytes: &self.bytes[from..to], cut }
    }
}

/// A stream, cut into batches.
pub(crate) struct Batches {
    reader: Box<dyn BufRead>,
    framing: Box<dyn Framing>,
    buffer: Vec<u8>,
    is_list: bool,
    over: bool,
    /// Why the stream ended, told once the records before it are handed out.
    broken: Option<std::io::Error>,
}

impl Batches {
    pub(super) fn new(reader: Box<dyn BufRead>, framing: Box<dyn Framing>, is_list: bool) -> Self {
        Self { reader, framing, buffer: Vec::new(), is_list, over: false, broken: None }
    }

    /// How far the stream was read.
    pub(crate) fn bytes(&self) -> u64 {
        self.framing.bytes()
    }

    /// The first record alone, as the header of a table of values.
    pub(super) fn first(&mut self) -> std::io::Result<Batch> {
        let batch = self.upto(1);
        if batch.len() == 0 { self.broken.take().map_or(Ok(batch), Err) } else { Ok(batch) }
    }

    /// The next records; none at the end.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<Batch>> {
        let batch = self.upto(BATCH);
        match self.broken.take() {
            Some(error) if batch.len() == 0 => Err(error),
            broken => {
                self.broken = broken;
                Ok((batch.len() > 0 || batch.blank > 0).then_some(batch))
            }
        }
    }

    fn upto(&mut self, bytes: usize) -> Batch {
        let mut batch = Batch { bytes: Vec::with_capacity(bytes + bytes / 4), ..Batch::default() };
        while !self.over && batch.bytes.len() < bytes && batch.len() < MOST {
            let cut = match self.framing.next(self.reader.as_mut(), &mut self.buffer) {
                Ok(Some(cut)) => cut,
                ended => {
                    (self.over, self.broken) = (true, ended.err());
                    break;
                }
            };
            if !self.is_list && self.buffer.iter().all(u8::is_ascii_whitespace) {
                batch.blank += 1;
                continue;
            }
            // Every line of UTF-16 is wrong in the same way; one is enough.
            self.over = cut.offset == 0 && (self.buffer.starts_with(b"\xff\xfe") || self.buffer.starts_with(b"\xfe\xff"));
            batch.bytes.extend_from_slice(if cut.too_long { &self.buffer[..SHOWN] } else { &self.buffer });
            batch.records.push((batch.bytes.len(), cut));
        }
        batch
    }
}

/// The columns of a record.
pub(crate) fn columns_of(record: &Record<'_>, by: &Decode) -> Result<Map<String, Value>, RowError> {
    match record.cut {
        Cut { too_long: true, .. } => Err(record.error_at(0, Fault::LongLine { limit: MAX_LINE_BYTES })),
        Cut { last: true, .. } => Err(record.error_at(0, unclosed(record.bytes))),
        _ => decode(record, by),
    }
}

/// A record whose columns carry other names in the file than in the format.
pub(crate) struct Named<'a> {
    pub(crate) record: Record<'a>,
    pub(crate) columns: &'a Columns,
}

impl Place for Named<'_> {
    fn error(&self, fault: Fault) -> RowError {
        let at = fault.column().and_then(|key| find_key(self.record.bytes, self.columns.in_file(key)));
        self.record.error_at(at.unwrap_or(0), fault)
    }

    fn raw(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.record.bytes)
    }
}
