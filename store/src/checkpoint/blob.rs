//! A named stream of bytes that becomes a file of a checkpoint.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};

use super::MANIFEST;
use crate::error::StoreError;

/// Writes the content of a blob.
pub type BlobWriter<'a> = Box<dyn FnMut(&mut dyn Write) -> io::Result<()> + 'a>;

/// One file of a checkpoint, before it is written.
pub struct Blob<'a> {
    /// Where it goes, relative to the checkpoint: `model.safetensors`, `trainer/optimizer.safetensors`.
    pub path: String,
    /// Writes the content. It is called once; large writes pass through unbuffered.
    pub write: BlobWriter<'a>,
}

impl<'a> Blob<'a> {
    /// A blob that is written by a closure.
    pub fn new(path: impl Into<String>, write: impl FnMut(&mut dyn Write) -> io::Result<()> + 'a) -> Self {
        Self { path: path.into(), write: Box::new(write) }
    }

    /// A blob of bytes that are there already.
    pub fn bytes(path: impl Into<String>, bytes: impl AsRef<[u8]> + 'a) -> Self {
        Self::new(path, move |out| out.write_all(bytes.as_ref()))
    }
}

impl fmt::Debug for Blob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Refuses paths that would leave the checkpoint, meet each other or take the manifest's place.
pub(crate) fn check_paths<'p>(paths: impl Iterator<Item = &'p str>) -> Result<(), StoreError> {
    let mut files = BTreeSet::new();
    let mut dirs = BTreeSet::new();
    for path in paths {
        let refuse = |reason| Err(StoreError::BadBlob { path: path.to_owned(), reason });
        if path == MANIFEST {
            return refuse("that is where the manifest goes");
        }
        if path.is_empty() || path.len() > 512 || path.chars().any(|c| c.is_control() || c == '\\') {
            return refuse("a path has 1 to 512 bytes, no control characters and no backslash");
        }
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return refuse("a path is relative and has no empty part, `.` or `..`");
        }
        if !files.insert(path) {
            return refuse("it is given twice");
        }
        dirs.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
    }
    match files.intersection(&dirs).next() {
        Some(both) => Err(StoreError::BadBlob { path: (*both).to_owned(), reason: "it would be a file and a directory" }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_inside_and_is_given_once() {
        assert!(check_paths(["model.safetensors", "trainer/a", "trainer/b/c", "..hidden"].into_iter()).is_ok());
        for bad in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a\nb", "a\\b", MANIFEST] {
            assert!(check_paths([bad].into_iter()).is_err(), "{bad:?}");
        }
        assert!(check_paths(["a", "a"].into_iter()).is_err());
        assert!(check_paths(["a/b", "a"].into_iter()).is_err());
    }
}
