//! A JSON array as a file: cut into its elements by their brackets, without holding more than one of them.

use std::io::BufRead;

use super::{Cut, Framing, MAX_LINE_BYTES};

/// Cuts at the commas of the outermost list.
#[derive(Debug)]
pub(crate) struct Elements {
    state: State,
    line: u64,
    column: u64,
    offset: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// The opening bracket has not been seen.
    Before,
    /// Between two elements; `after` says whether a comma stands before.
    Inside { after: bool },
    /// Behind the closing bracket.
    Behind,
    /// Something stands behind it, or the end is missing: nothing more is read.
    Over,
}

impl Default for Elements {
    fn default() -> Self {
        Self { state: State::Before, line: 1, column: 0, offset: 0 }
    }
}

/// What a scan of one element ended with.
enum End {
    Comma,
    Bracket,
    File,
}

impl Framing for Elements {
    fn next(&mut self, reader: &mut dyn BufRead, buffer: &mut Vec<u8>) -> std::io::Result<Option<Cut>> {
        buffer.clear();
        loop {
            let Some(byte) = self.peek(reader)? else {
                let open = matches!(self.state, State::Inside { .. });
                self.state = State::Over;
                // An empty record at the end of the file: the list is not closed.
                return Ok(open.then(|| self.cut(false, true)));
            };
            match (&self.state, byte) {
                (State::Over, _) => return Ok(None),
                (_, b' ' | b'\t' | b'\r' | b'\n') => self.step(reader, byte),
                (State::Before, 0xEF | 0xBB | 0xBF) => {
                    reader.consume(1);
                    self.offset += 1;
                }
                (State::Before, b'[') => {
                    self.step(reader, byte);
                    self.state = State::Inside { after: false };
                }
                (State::Inside { after: false }, b']') => {
                    self.step(reader, byte);
                    self.state = State::Behind;
                }
                (State::Inside { .. }, _) => return self.element(reader, buffer).map(Some),
                (State::Before | State::Behind, _) => {
                    let cut = self.cut(false, true);
                    self.state = State::Over;
                    buffer.push(byte);
                    return Ok(Some(cut));
                }
            }
        }
    }

    fn bytes(&self) -> u64 {
        self.offset
    }
}

impl Elements {
    fn cut(&self, too_long: bool, last: bool) -> Cut {
        Cut { number: self.line, column: self.column, offset: self.offset, too_long, last }
    }

    fn peek(&self, reader: &mut dyn BufRead) -> std::io::Result<Option<u8>> {
        Ok(reader.fill_buf()?.first().copied())
    }

    fn step(&mut self, reader: &mut dyn BufRead, byte: u8) {
        reader.consume(1);
        self.count(byte);
    }

    fn count(&mut self, byte: u8) {
        self.offset += 1;
        if byte == b'\n' {
            (self.line, self.column) = (self.line + 1, 0);
        } else if byte & 0xC0 != 0x80 {
            self.column += 1;
        }
    }

    /// One element, up to the comma or bracket behind it.
    fn element(&mut self, reader: &mut dyn BufRead, buffer: &mut Vec<u8>) -> std::io::Result<Cut> {
        let mut cut = self.cut(false, false);
        let (mut depth, mut text, mut escaped) = (0_u32, false, false);
        let end = loop {
            let chunk = reader.fill_buf()?;
            if chunk.is_empty() {
                break End::File;
            }
            let mut ended = None;
            let mut used = 0;
            for byte in chunk.iter().copied() {
                used += 1;
                self.count(byte);
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if text => escaped = true,
                    b'"' => text = !text,
                    _ if text => {}
                    b',' if depth == 0 => ended = Some(End::Comma),
                    b']' if depth == 0 => ended = Some(End::Bracket),
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if ended.is_some() {
                    break;
                }
                if buffer.len() <= MAX_LINE_BYTES {
                    buffer.push(byte);
                }
            }
            reader.consume(used);
            if let Some(end) = ended {
                break end;
            }
        };
        cut.too_long = buffer.len() > MAX_LINE_BYTES;
        self.state = match end {
            End::Comma => State::Inside { after: true },
            End::Bracket => State::Behind,
            End::File => State::Over,
        };
        cut.last = self.state == State::Over;
        Ok(cut)
    }
}
