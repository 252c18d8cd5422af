//! Waiting for a socket and for the end of a process at once.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// What can be done without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// Bytes, or the end of the stream, can be read.
    pub readable: bool,
    /// Bytes can be written.
    pub writable: bool,
    /// The process has ended.
    pub ended: bool,
}

/// A handle that becomes ready when a child ends.
///
/// # Errors
/// When there is no such child, or no descriptor is left.
pub fn watch(child: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(child).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Waits until the socket can be read (or, if `writing`, written), the process of [`watch`] has ended, or the time is up; then nothing is
/// ready. A signal may end the wait early.
///
/// # Errors
/// What the system says.
pub fn wait_ready(socket: BorrowedFd<'_>, writing: bool, process: BorrowedFd<'_>, at_most: Duration) -> io::Result<Ready> {
    let wanted = if writing { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
    let mut fds = [PollFd::from_borrowed_fd(socket, wanted), PollFd::from_borrowed_fd(process, PollFlags::IN)];
    let timeout = Timespec { tv_sec: at_most.as_secs().min(1 << 30) as i64, tv_nsec: i64::from(at_most.subsec_nanos()) };
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Ready::default()),
        Err(error) => return Err(error.into()),
    }
    let (socket, process) = (fds[0].revents(), fds[1].revents());
    let gone = PollFlags::HUP | PollFlags::ERR;
    Ok(Ready {
        readable: socket.intersects(PollFlags::IN | gone),
        writable: writing && socket.intersects(PollFlags::OUT | gone),
        ended: !process.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    #[test]
    fn a_socket_and_a_process_are_waited_for_at_once() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let process = watch(child.id()).unwrap();
        let ready = |writing| wait_ready(ours.as_fd(), writing, process.as_fd(), Duration::from_millis(20)).unwrap();
        assert_eq!(ready(false), Ready::default());
        assert!(ready(true).writable);
        theirs.write_all(b"x").unwrap();
        assert!(ready(false).readable && !ready(false).ended);
        std::io::Read::read_exact(&mut &ours, &mut [0]).unwrap();
        drop(child.stdin.take());
        assert!(wait_ready(ours.as_fd(), false, process.as_fd(), Duration::from_secs(10)).unwrap().ended);
        child.wait().unwrap();
    }
}
