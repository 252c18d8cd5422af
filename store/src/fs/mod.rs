//! Every file-system operation of a save, as a trait, so that a test can lose the power between any two of them.

mod disk;

use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::path::Path;

pub use disk::{DiskFs, free_bytes};

use crate::error::{StoreError, failed};

/// A file that is being written.
pub trait SaveFile: Write {
    /// Returns once everything written so far would survive a power loss.
    ///
    /// # Errors
    /// What the system says. The content must then be taken as lost: a second try on the same file may report success falsely.
    fn sync(&mut self) -> io::Result<()>;
}

/// What stands in a directory; a link counts as what it points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the directory.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Its length; 0 for a directory.
    pub bytes: u64,
}

/// The operations that a save is made of. [`DiskFs`] is the real one.
///
/// Contents survive a power loss after [`SaveFile::sync`] or [`SaveFs::sync_file`]; names (new files, new directories, renames) only
/// after [`SaveFs::sync_dir`] of the directory they stand in.
///
/// # Errors
/// Every method returns what the system says.
pub trait SaveFs: Debug + Send + Sync {
    /// Makes a directory; its parent exists.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes a file that must not exist yet.
    fn create_file(&self, path: &Path) -> io::Result<Box<dyn SaveFile>>;
    /// Makes the content of a file that somebody else wrote durable.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Cuts a file to a length; a content that is not there reads as zeros.
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()>;
    /// Gives a file or a directory another name, in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file, or a directory with everything in it.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// What stands in a directory, sorted by name.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;
    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>>;
    /// Bytes that this user can still write at this place.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// Reads a whole file.
pub(crate) fn read(fs: &dyn SaveFs, path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs.open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Puts a small file in place so that a reader sees the old content or the new one, also after a power loss.
pub(crate) fn write_whole(fs: &dyn SaveFs, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let Some(parent) = path.parent() else { return Err(failed("write", path)(io::ErrorKind::InvalidInput.into())) };
    let temp = path.with_added_extension(format!("tmp-{}", std::process::id()));
    let write = || -> io::Result<()> {
        let mut file = fs.create_file(&temp)?;
        file.write_all(bytes)?;
        file.sync()
    };
    match fs.remove(&temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &temp)(error)),
        _ => {}
    }
    if let Err(error) = write().and_then(|()| fs.rename(&temp, path)) {
        let _ = fs.remove(&temp); // The first error is the one to report.
        return Err(failed("write", path)(error));
    }
    fs.sync_dir(parent).map_err(failed("sync", parent))
}
