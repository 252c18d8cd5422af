//! A file of JSON lines that only grows, and can be cut back.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{StoreError, failed};

/// Each line reaches the file in one write before `append` returns: nothing waits in a buffer of this process, so a save sees it all.
#[derive(Debug)]
pub(super) struct JsonLines {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl JsonLines {
    /// Opens a file at its end; makes it if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(failed("open", path))?;
        let bytes = file.metadata().map_err(failed("open", path))?.len();
        Ok(Self { file, path: path.to_owned(), bytes })
    }

    /// Adds a line, which has no line end yet. What a failed write leaves behind is cut off again.
    pub(super) fn append(&mut self, mut line: String) -> Result<(), StoreError> {
        line.push('\n');
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            let _ = self.file.set_len(self.bytes); // The first error is the one to report.
            return Err(failed("write", &self.path)(error));
        }
        self.bytes += line.len() as u64;
        Ok(())
    }

    pub(super) fn truncate_to(&mut self, bytes: u64) -> Result<(), StoreError> {
        if bytes < self.bytes {
            self.file.set_len(bytes).map_err(failed("truncate", &self.path))?;
            self.bytes = bytes;
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}
