//! An open file of known length, read by position.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{DAMAGED, WeightsError};

/// A model file held open. Reads are positioned (`pread`), so that readers on several threads do not disturb each other.
#[derive(Debug)]
pub(crate) struct ModelFile {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) len: u64,
}

impl ModelFile {
    /// Opens a regular file for reading.
    pub(crate) fn open(path: &Path) -> Result<Self, WeightsError> {
        let fail = |doing, source| WeightsError::Io { file: path.to_owned(), doing, source };
        // Asked before opening: to open a pipe that nobody writes to would wait for ever, and its length says nothing.
        let meta = std::fs::metadata(path).map_err(|e| fail("open", e))?;
        if !meta.is_file() {
            return Err(WeightsError::Directory {
                path: path.to_owned(),
                what: "is not a regular file".to_owned(),
                mend: "give the path of a model file",
            });
        }
        let file = File::open(path).map_err(|e| fail("open", e))?;
        let len = file.metadata().map_err(|e| fail("ask the length of", e))?.len();
        Ok(Self { path: path.to_owned(), file, len })
    }

    /// Fills `out` from `offset` on.
    pub(crate) fn read_at(&self, out: &mut [u8], offset: u64) -> Result<(), WeightsError> {
        self.file.read_exact_at(out, offset).map_err(|source| WeightsError::Io { file: self.path.clone(), doing: "read", source })
    }

    /// The error for bytes that contradict the format.
    pub(crate) fn malformed(&self, tensor: Option<&str>, bytes: Range<u64>, what: impl Into<String>) -> WeightsError {
        WeightsError::Malformed { file: self.path.clone(), tensor: tensor.map(str::to_owned), bytes, what: what.into(), mend: DAMAGED }
    }
}
