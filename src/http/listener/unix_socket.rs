//! A Unix socket's file: made when the server begins to listen, and removed when it stops.

use std::{
    fmt,
    fs::{self, Metadata, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf, absolute},
};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

/// How many connections may wait to be accepted: thousands may come at once, as after a restart.
pub(crate) const BACKLOG: i32 = 4_096;

/// The owner and the group may connect, such as a proxy of this group.
const MODE: u32 = 0o660;

/// A socket's file, which is removed when this is dropped.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Its device and inode: a server that has taken the path over has another one.
    identity: (u64, u64),
}

/// Listens on a Unix socket. The file of a server that was killed is replaced.
///
/// # Errors
/// A server listens there, another kind of file is there, or the file cannot be made.
pub(crate) fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    // The server's folder may change.
    let path = absolute(path)?;
    if is_stale(&path)? {
        fs::remove_file(&path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(&path)?)?;
    let identity = identity(&fs::symlink_metadata(&path)?);
    let file = SocketFile { path, identity };
    // Before anybody can connect.
    fs::set_permissions(&file.path, Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG)?;
    Ok((UnixListener::from_std(socket.into())?, file))
}

/// Finds out whether `bind` would fail, without making the file.
///
/// # Errors
/// As for `bind`.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    let path = absolute(path)?;
    SockAddr::unix(&path)?;
    is_stale(&path)?;
    let folder = path.parent().unwrap_or(&path);
    if !fs::metadata(folder)?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    let rights = Access::WRITE_OK | Access::EXEC_OK;
    Ok(accessat(CWD, folder, rights, AtFlags::EACCESS)?)
}

/// Whether a path has the file of a server that is gone. `false` where there is none.
fn is_stale(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Err(io::Error::other("there is a file that is not a socket")),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // With a full backlog it would wait.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(true),
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
        _ => Err(io::Error::new(
            ErrorKind::AddrInUse,
            "in use: a server listens on it",
        )),
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| identity(&found) == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, "the socket's file could not be removed");
        }
    }
}

impl fmt::Display for SocketFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix:{}", self.path.display())
    }
}
