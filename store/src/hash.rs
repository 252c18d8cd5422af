//! BLAKE3 of bytes, files and model directories, and a cache so that a base model is not read anew for every run.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{StoreError, failed};
use crate::fs::{DiskFs, write_whole};

/// Read and hashed at once.
const CHUNK: usize = 1 << 20;

/// A cached hash is believed only if the file had been at rest for this long when the hash was written down: a file changed twice within
/// the file system's time step would look the same.
const SETTLED_NS: i128 = 2_000_000_000;

/// The BLAKE3 of bytes, in hexadecimal.
#[must_use]
pub fn hash_bytes(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// The number of bytes and their BLAKE3.
pub(crate) fn hash_reader(reader: &mut dyn Read) -> io::Result<(u64, String)> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((hasher.count(), hasher.finalize().to_hex().to_string())),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
    }
}

/// Hashes what passes through to another writer.
#[derive(Debug)]
pub(crate) struct HashWriter<W> {
    inner: W,
    hasher: blake3::Hasher,
}

impl<W: Write> HashWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hasher: blake3::Hasher::new() }
    }

    /// The writer, the number of bytes, their BLAKE3.
    pub(crate) fn finish(self) -> (W, u64, String) {
        (self.inner, self.hasher.count(), self.hasher.finalize().to_hex().to_string())
    }
}

impl<W: Write> Write for HashWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// How a file looks from outside. If none of this has changed, neither has the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Look {
    bytes: u64,
    mtime_ns: i128,
    ctime_ns: i128,
    inode: u64,
    device: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Cached {
    path: PathBuf,
    look: Look,
    blake3: String,
}

/// The BLAKE3 of a file; or of a directory, where it covers the names and the contents of all files below it (hidden ones excepted).
///
/// With a cache directory the result is written down there and believed as long as size, times and inode of a file stay the same. A cache that
/// cannot be read or written only costs time.
///
/// # Errors
/// [`StoreError::Io`] if something cannot be read, [`StoreError::Changing`] if a file was written to meanwhile.
pub fn content_hash(path: &Path, cache_dir: Option<&Path>) -> Result<String, StoreError> {
    if !fs::metadata(path).map_err(failed("read", path))?.is_dir() {
        return file_hash(path, cache_dir);
    }
    let mut hasher = blake3::Hasher::new();
    let mut names: Vec<_> = fs::read_dir(path)
        .and_then(|entries| entries.map(|e| e.map(|e| e.file_name())).collect::<io::Result<_>>())
        .map_err(failed("list", path))?;
    names.sort();
    for name in names.iter().filter(|n| !n.as_encoded_bytes().starts_with(b".")) {
        // Lengths first, so that no two listings run together.
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_encoded_bytes());
        hasher.update(content_hash(&path.join(name), cache_dir)?.as_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn file_hash(path: &Path, cache_dir: Option<&Path>) -> Result<String, StoreError> {
    let full = fs::canonicalize(path).map_err(failed("find", path))?;
    let cache = cache_dir.map(|dir| dir.join(hash_bytes(full.as_os_str().as_encoded_bytes())).with_extension("json"));
    let mut file = File::open(&full).map_err(failed("read", path))?;
    let before = look(&file).map_err(failed("read", path))?;
    if let Some(known) = cache.as_deref().and_then(|c| recall(c, &full, &before)) {
        return Ok(known);
    }
    let (_, blake3) = hash_reader(&mut file).map_err(failed("read", path))?;
    if look(&file).map_err(failed("read", path))? != before {
        return Err(StoreError::Changing { path: path.to_owned() });
    }
    if let Some(cache) = cache {
        // A cache that cannot be written only costs time.
        let _ = remember(&cache, &Cached { path: full, look: before, blake3: blake3.clone() });
    }
    Ok(blake3)
}

fn look(file: &File) -> io::Result<Look> {
    let m = file.metadata()?;
    let ns = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let (mtime_ns, ctime_ns) = (ns(m.mtime(), m.mtime_nsec()), ns(m.ctime(), m.ctime_nsec()));
    Ok(Look { bytes: m.len(), mtime_ns, ctime_ns, inode: m.ino(), device: m.dev() })
}

fn recall(cache: &Path, path: &Path, now: &Look) -> Option<String> {
    let file = File::open(cache).ok()?;
    let written_ns = look(&file).ok()?.mtime_ns;
    let known: Cached = serde_json::from_reader(io::BufReader::new(file)).ok()?;
    let settled = written_ns - now.mtime_ns.max(now.ctime_ns) >= SETTLED_NS;
    (settled && known.path == path && known.look == *now).then_some(known.blake3)
}

fn remember(cache: &Path, entry: &Cached) -> Result<(), StoreError> {
    if let Some(dir) = cache.parent() {
        fs::create_dir_all(dir).map_err(failed("create", dir))?;
    }
    let bytes = serde_json::to_vec(entry).map_err(|e| StoreError::NotJson { path: cache.to_owned(), reason: e.to_string() })?;
    write_whole(&DiskFs, cache, &bytes)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn age(path: &Path, seconds: u64) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    }

    #[test]
    fn the_empty_file_has_the_published_hash() {
        // From the BLAKE3 specification's test vectors.
        assert_eq!(hash_bytes(b""), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    }

    #[test]
    fn a_directory_is_its_names_and_contents_and_not_its_hidden_files() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("a"), "1").unwrap();
        fs::write(at("sub/b"), "2").unwrap();
        let first = content_hash(dir.path(), None).unwrap();
        fs::write(at(".cache"), "x").unwrap();
        assert_eq!(content_hash(dir.path(), None).unwrap(), first);
        fs::rename(at("a"), at("c")).unwrap();
        let renamed = content_hash(dir.path(), None).unwrap();
        fs::write(at("sub/b"), "3").unwrap();
        assert!(renamed != first && content_hash(dir.path(), None).unwrap() != renamed);
    }

    #[test]
    fn a_settled_file_is_taken_from_the_cache_and_a_changed_or_fresh_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (model, cache) = (dir.path().join("model"), dir.path().join("cache"));
        fs::write(&model, "weights").unwrap();
        let truth = content_hash(&model, Some(&cache)).unwrap();
        assert_eq!(truth, hash_bytes(b"weights"));
        let entry = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
        let lie = fs::read_to_string(&entry).unwrap().replace(&truth, "a lie");
        fs::write(&entry, &lie).unwrap();
        assert_eq!(content_hash(&model, Some(&cache)).unwrap(), truth, "written in the same instant: not believed");
        fs::write(&entry, &lie).unwrap();
        age(&entry, 4_000_000_000);
        assert_eq!(content_hash(&model, Some(&cache)).unwrap(), "a lie", "settled: believed");
        fs::write(&model, "Weights").unwrap();
        assert_eq!(content_hash(&model, Some(&cache)).unwrap(), hash_bytes(b"Weights"));
    }

    #[test]
    fn a_cache_that_cannot_be_written_costs_only_time() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("model"), "weights").unwrap();
        let found = content_hash(&dir.path().join("model"), Some(&dir.path().join("model/no"))).unwrap();
        assert_eq!(found, hash_bytes(b"weights"));
    }
}
