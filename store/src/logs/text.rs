//! `log.txt`: what the run said, for people. Never holds a secret: what is logged is chosen by the caller, who must not pass one.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{StoreError, failed};

/// A log of lines. It is history: a resume adds to it and takes nothing back.
#[derive(Debug)]
pub struct LogFile {
    file: File,
    path: PathBuf,
}

impl LogFile {
    /// Opens a log at its end; makes it if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(failed("open", path))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Adds one line: the time as the caller writes it, and the text. Control characters, which a model's text may hold, are written as escapes:
    /// what is logged stays one line, and shows nothing else on a terminal.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn line(&mut self, time: &str, text: &str) -> Result<(), StoreError> {
        let mut line = String::with_capacity(time.len() + text.len() + 2);
        for c in time.chars().chain([' ']).chain(text.trim_end().chars()) {
            if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
        }
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(failed("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_is_one_line_and_cannot_drive_a_terminal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        LogFile::open(&path).unwrap().line("12:00:00", "answer: \u{1b}[2Jé\nsecond\n").unwrap();
        LogFile::open(&path).unwrap().line("12:00:01", "resumed").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "12:00:00 answer: \\u{1b}[2Jé\\nsecond\n12:00:01 resumed\n");
    }
}
