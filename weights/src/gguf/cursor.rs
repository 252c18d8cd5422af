//! Reads the front of a file in order, and never takes memory for bytes that are not there.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use zerocopy::{FromBytes, IntoBytes};

use crate::error::WeightsError;
use crate::file::ModelFile;

/// A position in the file. Every read states what it reads, so that the error of a short file says what was expected.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    file: &'a ModelFile,
    reader: BufReader<&'a File>,
    at: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(file: &'a ModelFile) -> Result<Self, WeightsError> {
        let mut handle = &file.file;
        handle.seek(SeekFrom::Start(0)).map_err(|source| io(file, source))?;
        Ok(Self { file, reader: BufReader::with_capacity(64 * 1024, handle), at: 0 })
    }

    /// The next byte to be read.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Bytes between here and the end of the file.
    pub(super) fn left(&self) -> u64 {
        self.file.len.saturating_sub(self.at)
    }

    /// The error for the bytes since `start`.
    pub(super) fn malformed(&self, start: u64, what: impl Into<String>) -> WeightsError {
        self.file.malformed(None, start..self.at, what)
    }

    /// Refuses a count whose items, of at least `least` bytes each, cannot fit in what is left of the file.
    pub(super) fn room_for(&self, count: u64, least: u64, what: &str) -> Result<usize, WeightsError> {
        let bytes = count.checked_mul(least).filter(|&bytes| bytes <= self.left());
        bytes.and_then(|_| usize::try_from(count).ok()).ok_or_else(|| {
            let range = Range { start: self.at, end: self.file.len };
            self.file.malformed(None, range, format!("{what}: {count} items cannot fit in the {} bytes that are left", self.left()))
        })
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, WeightsError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, WeightsError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A fixed number of bytes.
    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], WeightsError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    /// A list of `count` plain little-endian numbers.
    pub(super) fn numbers<T: FromBytes + IntoBytes + Clone>(&mut self, count: u64, what: &str) -> Result<Vec<T>, WeightsError> {
        let count = self.room_for(count, size_of::<T>() as u64, what)?;
        let mut numbers = vec![T::new_zeroed(); count];
        self.fill(numbers.as_mut_bytes(), what)?;
        Ok(numbers)
    }

    /// A text: its length, then UTF-8 of at most `limit` bytes.
    pub(super) fn text(&mut self, limit: u64, what: &str) -> Result<String, WeightsError> {
        let start = self.at;
        let length = self.u64(what)?;
        if length > limit {
            return Err(self.malformed(start, format!("{what} of {length} bytes passes the limit of {limit}")));
        }
        let bytes = self.numbers(length, what)?;
        String::from_utf8(bytes).map_err(|e| self.malformed(start, format!("{what} is not UTF-8: {}", e.utf8_error())))
    }

    fn fill(&mut self, bytes: &mut [u8], what: &str) -> Result<(), WeightsError> {
        let wanted = bytes.len() as u64;
        if wanted > self.left() {
            return Err(self.file.malformed(None, self.at..self.at.saturating_add(wanted), format!("the file ends inside {what}")));
        }
        self.reader.read_exact(bytes).map_err(|source| io(self.file, source))?;
        self.at += wanted;
        Ok(())
    }
}

fn io(file: &ModelFile, source: std::io::Error) -> WeightsError {
    WeightsError::Io { file: file.path.clone(), doing: "read", source }
}
