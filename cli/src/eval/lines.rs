//! JSON lines, plain or gzip, with the place of what is wrong.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};

use crate::exit::{Exit, refused};

/// The longest line that is read.
const MAX_LINE: u64 = 64 << 20;

/// Opens a file; one that begins as gzip does is unpacked.
fn open(path: &Path) -> Result<Box<dyn BufRead>, Exit> {
    let bad = |e: std::io::Error| refused(format!("cannot read `{}`: {e}", path.display()));
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(bad)?);
    let gzip = file.fill_buf().map_err(bad)?.starts_with(&[0x1f, 0x8b]);
    Ok(if gzip { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) })
}

/// Reads the objects of a file. `take` says what is wrong with one.
pub(super) fn objects(path: &Path, mut take: impl FnMut(Map<String, Value>) -> Result<(), String>) -> Result<(), Exit> {
    let mut file = open(path)?;
    let (mut line, mut number, mut read) = (Vec::new(), 0_u64, 0);
    loop {
        line.clear();
        number += 1;
        let wrong = |why: String| refused(format!("{}:{number}: {why}", path.display()));
        let bytes = file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(|e| wrong(e.to_string()))?;
        if bytes == 0 {
            break;
        }
        if bytes as u64 == MAX_LINE && line.last() != Some(&b'\n') {
            return Err(wrong(format!("the line is longer than {} MB", MAX_LINE >> 20)));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let object = serde_json::from_slice(&line).map_err(|e| wrong(format!("it is no JSON object: {e}")))?;
        take(object).map_err(wrong)?;
        read += 1;
    }
    if read == 0 { Err(refused(format!("`{}` has no row", path.display()))) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn gzip_is_unpacked_and_a_wrong_row_is_named_by_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.jsonl");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"{\"a\": 1}\n\n{\"a\": 2}\n{\"a\": 3}").unwrap();
        std::fs::write(&path, gzip.finish().unwrap()).unwrap();
        let mut seen = Vec::new();
        objects(&path, |row| {
            seen.push(row["a"].clone());
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [1, 2, 3]);
        let wrong = objects(&path, |row| if row["a"] == 3 { Err("three".into()) } else { Ok(()) });
        assert!(wrong.unwrap_err().to_string().ends_with("x.jsonl:4: three"));
        std::fs::write(&path, "{\"a\": 1}\n[1]\n").unwrap();
        let said = objects(&path, |_| Ok(())).unwrap_err().to_string();
        assert!(said.contains("x.jsonl:2: it is no JSON object"), "{said}");
    }
}
