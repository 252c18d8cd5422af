//! A handle on a process: it never means another one, even when the number is given away again.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It returned this code.
    Exited(i32),
    /// It was killed by this signal.
    Killed(i32),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "ended with code {code}"),
            // Nothing else in this house sends it unasked: the kernel does, to the one that takes most.
            Self::Killed(9) => write!(f, "was killed by signal 9, likely for want of memory"),
            Self::Killed(signal) => write!(f, "was killed by signal {signal}"),
        }
    }
}

/// A handle on a process. It can be polled: it is readable when the process has ended.
#[derive(Debug)]
pub struct PidFd {
    fd: OwnedFd,
    pid: u32,
}

impl PidFd {
    /// A handle on process `pid`. Take it before the process can have been waited for, or it may be another's.
    ///
    /// # Errors
    /// `ESRCH` if there is no such process; what else the system says.
    pub fn open(pid: u32) -> io::Result<Self> {
        let known = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self { fd: pidfd_open(known, PidfdFlags::empty())?, pid })
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// `InvalidInput` for a number that is no signal, `ESRCH` if it has ended and was waited for.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        let signal = Signal::from_named_raw(number).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(pidfd_send_signal(&self.fd, signal)?)
    }

    /// Whether it has ended, waiting at most `limit` for it. The process need not be a child.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait(&self, limit: Duration) -> io::Result<bool> {
        let end = std::time::Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            let left = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
            match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&left)) {
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How it ended, if it has; its entry in the table of processes is given back. For a child alone.
    ///
    /// # Errors
    /// `ECHILD` if it is not a child of this process or was waited for before.
    pub fn reap(&self) -> io::Result<Option<Ended>> {
        let Some(found) = waitid(WaitId::PidFd(self.fd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG)? else {
            return Ok(None);
        };
        let killed = found.terminating_signal().map(Ended::Killed);
        Ok(killed.or_else(|| found.exit_status().map(Ended::Exited)))
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::Instant;

    #[test]
    fn an_end_is_seen_at_once_and_told_as_it_was() {
        let sleeper = PidFd::open(Command::new("sleep").arg("60").spawn().unwrap().id()).unwrap();
        assert!(!sleeper.wait(Duration::from_millis(20)).unwrap() && sleeper.reap().unwrap().is_none());
        let clock = Instant::now();
        sleeper.signal(9).unwrap();
        assert!(sleeper.wait(Duration::from_secs(5)).unwrap() && clock.elapsed() < Duration::from_millis(200), "{:?}", clock.elapsed());
        let ended = sleeper.reap().unwrap().unwrap();
        assert_eq!(ended, Ended::Killed(9));
        assert!(ended.to_string().contains("signal 9, likely for want of memory"));
        assert!(sleeper.signal(9).is_err(), "the number may be another's by now");

        let brief = PidFd::open(Command::new("false").spawn().unwrap().id()).unwrap();
        assert!(brief.wait(Duration::from_secs(5)).unwrap());
        assert_eq!(brief.reap().unwrap(), Some(Ended::Exited(1)));
    }

    #[test]
    fn what_is_no_process_or_no_signal_is_refused() {
        assert!(PidFd::open(0).is_err() && PidFd::open(u32::MAX).is_err());
        let me = PidFd::open(std::process::id()).unwrap();
        assert_eq!(me.signal(9999).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(me.reap().is_err(), "nobody is a child of itself");
    }
}
