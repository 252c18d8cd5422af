//! The real file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use rustix::io::Errno;

use super::{Entry, SaveFile, SaveFs};
use crate::error::{StoreError, failed};

/// The real file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFs;

impl SaveFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

impl SaveFs for DiskFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn create_file(&self, path: &Path) -> io::Result<Box<dyn SaveFile>> {
        Ok(Box::new(OpenOptions::new().write(true).create_new(true).open(path)?))
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            // Some network and user-space file systems cannot sync a directory; they order names by themselves or not at all.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(()),
            other => other,
        }
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(len)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            match fs::metadata(entry.path()) {
                Ok(found) if found.is_dir() => entries.push(Entry { name, is_dir: true, bytes: 0 }),
                Ok(found) => entries.push(Entry { name, is_dir: false, bytes: found.len() }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {} // A link to nowhere, or gone since.
                Err(error) => return Err(error),
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(path)?))
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(path)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

/// Bytes that this user can still write at `path`, which need not exist yet: its nearest ancestor that does is asked.
///
/// # Errors
/// [`StoreError::Io`] if the system cannot say.
pub fn free_bytes(path: &Path) -> Result<u64, StoreError> {
    let absolute = std::path::absolute(path).map_err(failed("find", path))?;
    let there = absolute.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    DiskFs.free_bytes(there).map_err(failed("measure the free space at", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_known_for_a_place_that_does_not_exist_yet() {
        let dir = tempfile::tempdir().unwrap();
        let free = free_bytes(&dir.path().join("not/yet/there")).unwrap();
        assert!(free > 0 && free_bytes(dir.path()).unwrap() > 0);
    }

    #[test]
    fn a_link_is_removed_and_what_it_points_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::create_dir(&target).unwrap();
        std::os::unix::fs::symlink("target", &link).unwrap();
        DiskFs.remove(&link).unwrap();
        assert!(target.exists() && fs::symlink_metadata(&link).is_err());
    }
}
