//! A child process in a group of its own, with limits.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getpid, getppid, kill_process_group, set_parent_process_death_signal, setrlimit,
    waitid,
};

/// What a child may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Bytes of address space (`RLIMIT_AS`): an allocation beyond it fails.
    pub address_space: Option<u64>,
    /// Processes and threads of the user who runs it (`RLIMIT_NPROC`). The kernel counts all of the user's, not the child's alone, and root
    /// is not held to it.
    pub processes: Option<u64>,
}

/// Makes the child of a command the leader of a process group of its own, with limits and without core dumps; it is killed when the thread
/// that starts it ends. Start it from a thread that lives as long as the child shall.
pub fn isolate(command: &mut Command, limits: Limits) {
    let parent = getpid();
    command.process_group(0);
    // SAFETY: between fork and exec only system calls are made; `prepare` neither allocates nor takes a lock.
    unsafe { command.pre_exec(move || prepare(parent, limits)) };
}

fn prepare(parent: Pid, limits: Limits) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before the line above: then no signal will come.
    if getppid() != Some(parent) {
        return Err(io::Error::from_raw_os_error(rustix::io::Errno::SRCH.raw_os_error()));
    }
    let both = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::Core, both(0))?;
    if let Some(bytes) = limits.address_space {
        setrlimit(Resource::As, both(bytes))?;
    }
    if let Some(processes) = limits.processes {
        setrlimit(Resource::Nproc, both(processes))?;
    }
    Ok(())
}

fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

/// Kills every process of the group that a child leads, with a signal that cannot be caught. Call it before the child is waited for: until
/// then its number belongs to nobody else. A group that is gone already is no error.
pub fn kill_group(leader: u32) {
    if let Some(pid) = pid(leader) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// Whether a child has ended. It stays waitable, so its number stays taken.
#[must_use]
pub fn has_ended(child: u32) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    pid(child).is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), options), Ok(None)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    fn shell(script: &str, limits: Limits) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        isolate(&mut command, limits);
        command
    }

    fn gone(pid: u32) -> bool {
        let path = format!("/proc/{pid}/stat");
        std::fs::read_to_string(path).map_or(true, |stat| stat.contains(") Z "))
    }

    fn within(seconds: u64, so: impl Fn() -> bool) -> bool {
        let start = Instant::now();
        while !so() {
            if start.elapsed() > Duration::from_secs(seconds) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    #[test]
    fn the_whole_group_is_killed_and_the_child_stays_waitable() {
        let mut child = shell("sleep 60 & echo $!; wait", Limits::default()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
        let grandchild: u32 = line.trim().parse().unwrap();
        assert!(!has_ended(child.id()) && !gone(grandchild));
        kill_group(child.id());
        assert!(within(5, || has_ended(child.id()) && gone(grandchild)));
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(9));
    }

    #[test]
    fn limits_hold_from_the_first_instruction() {
        let limits = Limits { address_space: Some(1 << 30), processes: Some(1000) };
        let output = shell("ulimit -v; ulimit -c", limits).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>(), ["1048576", "0"]);
    }

    #[test]
    fn a_child_dies_with_the_thread_that_started_it() {
        let child = std::thread::spawn(|| shell("sleep 60", Limits::default()).spawn().unwrap()).join().unwrap();
        assert!(within(5, || has_ended(child.id())));
        let mut child = child;
        child.wait().unwrap();
    }
}
