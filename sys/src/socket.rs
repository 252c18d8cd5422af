//! Unix sockets that only this user can open, in directories of any depth, and who is at the other end.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fchmod, open};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};
use rustix::process::geteuid;

/// The most connections that wait to be accepted.
const BACKLOG: i32 = 64;

/// Who is at the other end of a Unix socket, as the kernel knows it: no peer can forge it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The process that connected.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
}

/// Who is at the other end.
///
/// # Errors
/// What the system says; `ENODATA`-like errors for a socket that is not connected.
pub fn peer(stream: &impl AsFd) -> io::Result<Peer> {
    let found = socket_peercred(stream)?;
    Ok(Peer { pid: found.pid.as_raw_nonzero().get().unsigned_abs(), uid: found.uid.as_raw() })
}

/// The user that this process acts as.
#[must_use]
pub fn own_uid() -> u32 {
    geteuid().as_raw()
}

/// Listens at `dir/name` with mode 0600 from the first instant: the mode is set before the name exists, so nobody can slip in between.
///
/// # Errors
/// What the system says; `EADDRINUSE` if something has that name.
pub fn listen_private(dir: &Path, name: &str) -> io::Result<UnixListener> {
    let (folder, path) = short(dir, name)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // `bind` gives the name the mode of the socket, less the process's mask.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(&path)?)?;
    drop(folder);
    listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

/// Connects to `dir/name`.
///
/// # Errors
/// What the system says.
pub fn connect_private(dir: &Path, name: &str) -> io::Result<UnixStream> {
    let (folder, path) = short(dir, name)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    connect(&socket, &SocketAddrUnix::new(&path)?)?;
    drop(folder);
    Ok(UnixStream::from(socket))
}

/// A path of a few bytes for a file in a directory: an address holds 108 bytes, and run directories may lie deeper. Valid while the handle
/// is open.
fn short(dir: &Path, name: &str) -> io::Result<(OwnedFd, PathBuf)> {
    let folder = open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()));
    Ok((folder, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

    #[test]
    fn a_socket_is_private_however_deep_it_lies_and_knows_its_peer() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("d".repeat(100)).join("e".repeat(100));
        std::fs::create_dir_all(&deep).unwrap();
        let listener = listen_private(&deep, "control").unwrap();
        let found = std::fs::symlink_metadata(deep.join("control")).unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.mode() & 0o777, 0o600);
        let client = connect_private(&deep, "control").unwrap();
        let (server, _) = listener.accept().unwrap();
        let wanted = Peer { pid: std::process::id(), uid: own_uid() };
        assert_eq!((peer(&server).unwrap(), peer(&client).unwrap()), (wanted, wanted));
        assert_eq!(listen_private(&deep, "control").unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
