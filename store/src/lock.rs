//! One learner a run: a lock that dies with its holder.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{StoreError, failed};

/// Held as long as the value lives. The kernel gives the lock back when the process ends, however it ends, so a stale one cannot exist;
/// the text inside only names the holder.
#[derive(Debug)]
pub(crate) struct RunLock {
    /// Closing it is what gives the lock back.
    _file: File,
}

/// The name of the file.
pub(crate) const LOCK: &str = "lock";

impl RunLock {
    /// Takes the lock of a run, or says who has it.
    pub(crate) fn take(run: &Path) -> Result<Self, StoreError> {
        let path = run.join(LOCK);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(failed("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(StoreError::Locked { path: run.to_owned(), holder: holder(&mut file) }),
            Err(error) => return Err(failed("lock", &path)(error.into())),
        }
        let text = format!("pid {} on host {}\n", std::process::id(), host());
        let write = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
        write.map_err(failed("write", &path))?;
        Ok(Self { _file: file })
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // A holder that has the lock and not yet written its name leaves this empty for an instant.
    match file.take(256).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_by_the_name_of_the_first_and_a_dropped_lock_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let first = RunLock::take(dir.path()).unwrap();
        let refused = RunLock::take(dir.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("pid {} on host {}", std::process::id(), host())), "{refused}");
        drop(first);
        RunLock::take(dir.path()).unwrap();
    }

    #[test]
    fn the_text_of_a_dead_holder_does_not_lock() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(LOCK), format!("pid 1 on host elsewhere {}\n", "x".repeat(300))).unwrap();
        let _lock = RunLock::take(dir.path()).unwrap();
        let text = std::fs::read_to_string(dir.path().join(LOCK)).unwrap();
        assert_eq!(text, format!("pid {} on host {}\n", std::process::id(), host()));
    }
}
