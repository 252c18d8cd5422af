//! `rollouts/step_N.jsonl`: samples of what the policy answered.

use std::path::Path;

use serde::Serialize;

use super::json_lines::JsonLines;
use crate::error::StoreError;

/// The samples of one step, one JSON line each.
#[derive(Debug)]
pub struct RolloutFile {
    lines: JsonLines,
}

impl RolloutFile {
    /// Opens a file of samples at its end; makes it if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { lines: JsonLines::open(path)? })
    }

    /// Adds a sample. It is in the file when this returns; a save makes it durable.
    ///
    /// # Errors
    /// [`StoreError::NotJson`] if it has no JSON form, [`StoreError::Io`]; then the file is as before.
    pub fn append(&mut self, sample: &impl Serialize) -> Result<(), StoreError> {
        let line = serde_json::to_string(sample)
            .map_err(|error| StoreError::NotJson { path: self.lines.path().to_owned(), reason: error.to_string() })?;
        self.lines.append(line)
    }

    /// Cuts the file back to a length that [`Self::len`] gave; a shorter file stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn truncate_to(&mut self, bytes: u64) -> Result<(), StoreError> {
        self.lines.truncate_to(bytes)
    }

    /// The length of the file in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.lines.bytes()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_line_whatever_text_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("step_3.jsonl");
        let mut file = RolloutFile::open(&path).unwrap();
        let samples = ["two\nlines", "\u{1b}[2J \u{2028} \"quoted\"", ""];
        for text in samples {
            file.append(&serde_json::json!({ "text": text })).unwrap();
        }
        let read = std::fs::read_to_string(&path).unwrap();
        let texts: Vec<String> = read
            .split_terminator('\n')
            .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["text"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(texts, samples);
        assert_eq!(file.len(), read.len() as u64);
    }
}
