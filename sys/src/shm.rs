//! Memory that one process fills and many read: written through a file that has no name, sealed, then mapped.
//!
//! A sealed file can never change again, not even by the process that made it. So a mapping of it is as good as a slice: no lock, no copy,
//! and no signal for a file that was cut under the reader. It has no name that a killed process could leave behind; others open it through
//! the maker's entry in `/proc` as long as the maker holds it, and it lives as long as anybody maps it.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::ptr::NonNull;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// What a file must be sealed against before it is mapped: any change of content or length.
const SEALS: SealFlags = SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW);

/// A new file in memory without a place in any directory. `name` shows in `/proc/PID/maps` alone.
///
/// # Errors
/// What the system says; `ENOSYS` where it has no such files.
pub fn create(name: &str) -> io::Result<File> {
    Ok(File::from(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?))
}

/// Freezes content and length for ever, also against whoever made it.
///
/// # Errors
/// What the system says; `EBUSY` while somebody has it mapped for writing.
pub fn seal(file: &File) -> io::Result<()> {
    Ok(fcntl_add_seals(file, SEALS | SealFlags::SEAL)?)
}

/// Whether content and length can never change again. A file on a disk is never sealed.
#[must_use]
pub fn is_sealed(file: &File) -> bool {
    fcntl_get_seals(file).is_ok_and(|seals| seals.contains(SEALS))
}

/// Where a process of the same user can open a file that process `pid` holds under the number `fd`.
#[must_use]
pub fn path_in(pid: u32, fd: i32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/fd/{fd}"))
}

/// A sealed file, mapped for reading.
#[derive(Debug)]
pub struct Mapped {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory is read-only and sealed, so any number of threads may read it at once; only `drop` unmaps it, with the value owned.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps a whole sealed file.
    ///
    /// # Errors
    /// `InvalidInput` for a file that is not sealed or is empty; what the system says.
    pub fn of_sealed(file: &File) -> io::Result<Self> {
        if !is_sealed(file) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the memory is not sealed, so it could change while it is read"));
        }
        let len = usize::try_from(file.metadata()?.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        if len == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the memory is empty"));
        }
        // SAFETY: the kernel chooses a free range; it is checked for null below and unmapped once, in `drop`.
        let start = unsafe { mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::SHARED, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { start, len })
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `len` bytes from `start` are mapped readable while `self` lives; the seals keep content and length as they are.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `of_sealed`, belongs to this value alone, and no slice of it outlives the value.
        // An error would mean that nothing is mapped there; nothing is left to do then.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;

    #[test]
    fn sealed_memory_can_be_read_by_all_and_changed_by_nobody() {
        let mut file = create("test").unwrap();
        file.write_all(b"weights").unwrap();
        assert!(Mapped::of_sealed(&file).unwrap_err().to_string().contains("not sealed"));
        seal(&file).unwrap();
        let other = File::open(path_in(std::process::id(), file.as_raw_fd())).unwrap();
        assert!(is_sealed(&other));
        let mapped = Mapped::of_sealed(&other).unwrap();
        assert!(file.write_all(b"more").is_err() && file.set_len(1).is_err() && file.set_len(100).is_err());
        drop((file, other));
        assert_eq!(&mapped[..], b"weights", "a mapping outlives every handle");
    }

    #[test]
    fn a_file_on_a_disk_and_an_empty_one_are_not_mapped() {
        let file = tempfile::tempfile().unwrap();
        assert!(!is_sealed(&file) && Mapped::of_sealed(&file).is_err());
        let empty = create("empty").unwrap();
        seal(&empty).unwrap();
        assert!(Mapped::of_sealed(&empty).unwrap_err().to_string().contains("empty"));
    }
}
