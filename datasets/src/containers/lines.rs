//! One record a line: JSON lines and plain text.

use std::io::{BufRead, Read};

use super::{Cut, Framing, MAX_LINE_BYTES};

/// Cuts at line ends.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    number: u64,
    offset: u64,
    /// The rest of a line that was too long still stands in the stream.
    unfinished: bool,
}

impl Framing for Lines {
    fn next(&mut self, reader: &mut dyn BufRead, buffer: &mut Vec<u8>) -> std::io::Result<Option<Cut>> {
        if self.unfinished {
            self.offset += reader.skip_until(b'\n')? as u64;
            self.unfinished = false;
        }
        buffer.clear();
        let start = self.offset;
        // Two more bytes than the limit: the end of the line does not count.
        self.offset += reader.take(MAX_LINE_BYTES as u64 + 2).read_until(b'\n', buffer)? as u64;
        if buffer.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        self.unfinished = !buffer.ends_with(b"\n");
        trim(buffer);
        let offset = if start == 0 && without_mark(buffer) { 3 } else { start };
        let too_long = buffer.len() > MAX_LINE_BYTES;
        Ok(Some(Cut { number: self.number, column: 0, offset, too_long, last: false }))
    }

    fn bytes(&self) -> u64 {
        self.offset
    }
}

/// Takes off the end of the line.
pub(super) fn trim(line: &mut Vec<u8>) {
    if line.ends_with(b"\n") {
        line.pop();
    }
    if line.ends_with(b"\r") {
        line.pop();
    }
}

/// Takes off the byte order mark at the start of a file, and tells whether there was one.
pub(super) fn without_mark(line: &mut Vec<u8>) -> bool {
    let marked = line.starts_with(b"\xef\xbb\xbf");
    if marked {
        line.drain(..3);
    }
    marked
}
