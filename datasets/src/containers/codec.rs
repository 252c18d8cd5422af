//! Compression, told by the first bytes of a file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// Bytes read at a time.
const CHUNK: usize = 1 << 17;

/// A file, opened.
pub(super) enum Opened {
    /// Text, decompressed as it is read.
    Text(Box<dyn BufRead>),
    /// A Parquet table.
    Table(File),
}

/// Opens a file by what its first bytes say.
pub(super) fn open(path: &Path) -> std::io::Result<Opened> {
    let file = File::open(path)?;
    let mut reader = BufReader::with_capacity(CHUNK, file);
    let start = reader.fill_buf()?;
    if start.starts_with(b"PAR1") {
        return File::open(path).map(Opened::Table);
    }
    if start.starts_with(b"\x1f\x8b") {
        return Ok(Opened::Text(buffered(MultiGzDecoder::new(reader))));
    }
    if start.starts_with(b"\x28\xb5\x2f\xfd") {
        return Ok(Opened::Text(buffered(zstd::stream::read::Decoder::with_buffer(reader)?)));
    }
    Ok(Opened::Text(Box::new(reader)))
}

fn buffered(reader: impl Read + 'static) -> Box<dyn BufRead> {
    Box::new(BufReader::with_capacity(CHUNK, reader))
}

/// The ending of a name without the one of its compression, in small letters: `csv` of `a.CSV.gz`.
pub(crate) fn ending(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|e| name.strip_suffix(e)).unwrap_or(&name);
    name.rsplit_once('.').map_or("", |(_, ending)| ending).to_owned()
}
