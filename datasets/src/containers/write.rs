//! JSON lines, written plain or compressed by the ending of the name; the file appears whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Writes rows as JSON lines to a temporary name; [`Writer::finish`] gives them theirs.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    temporary: PathBuf,
    sink: Option<Sink>,
}

enum Sink {
    Plain(BufWriter<File>),
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    Zstd(zstd::stream::write::Encoder<'static, BufWriter<File>>),
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
        })
    }
}

impl Writer {
    /// Begins a file; `.gz` and `.zst` compress.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        let file = BufWriter::new(File::create(&temporary)?);
        let sink = match path.extension().and_then(|e| e.to_str()) {
            Some("gz") => Sink::Gzip(flate2::write::GzEncoder::new(file, flate2::Compression::default())),
            Some("zst" | "zstd") => Sink::Zstd(zstd::stream::write::Encoder::new(file, 0)?),
            _ => Sink::Plain(file),
        };
        Ok(Self { path: path.to_owned(), temporary, sink: Some(sink) })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn row(&mut self, row: &Value) -> std::io::Result<()> {
        let mut line = row.to_string();
        line.push('\n');
        match &mut self.sink {
            Some(Sink::Plain(file)) => file.write_all(line.as_bytes()),
            Some(Sink::Gzip(file)) => file.write_all(line.as_bytes()),
            Some(Sink::Zstd(file)) => file.write_all(line.as_bytes()),
            None => Ok(()),
        }
    }

    /// Ends the file, syncs it and gives it its name.
    ///
    /// # Errors
    /// When the disk refuses; the file of that name is then as it was.
    pub fn finish(mut self) -> std::io::Result<()> {
        let file = match self.sink.take() {
            Some(Sink::Plain(file)) => file,
            Some(Sink::Gzip(file)) => file.finish()?,
            Some(Sink::Zstd(file)) => file.finish()?,
            None => return Ok(()),
        };
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&self.temporary, &self.path)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Not finished: nothing is left behind. After `finish` there is no such name any more.
        let _ = std::fs::remove_file(&self.temporary);
    }
}
