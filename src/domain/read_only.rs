//! Why a database is read and never written.

use std::fmt;

/// Why a database is read and never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadOnlyReason {
    /// It belongs to a Buildbot master. Our own tables in it may be written.
    Buildbots,
    /// The server was started with `--read-only`.
    Flag,
    /// The file, its directory or its disk cannot be written to.
    File,
    /// The database server is a standby, or set read-only.
    Server,
}

impl fmt::Display for ReadOnlyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Buildbots => "this database belongs to a Buildbot master and is served read-only",
            Self::Flag => "read-only: the server was started with --read-only",
            Self::File => "read-only: the database's file or directory cannot be written to",
            Self::Server => "read-only: the database server is a standby, or set read-only",
        })
    }
}
