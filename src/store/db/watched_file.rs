//! The SQLite file under a server. Others may delete or replace it, or a file that SQLite keeps
//! beside it: what is written then is lost, although SQLite reports no error.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use parking_lot::Mutex;

use crate::domain::error::{Error, Result};

/// What SQLite keeps beside a file with a write-ahead log.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// Which file a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
    /// When it was changed and how long it is; only of a file that must not change.
    version: Option<(SystemTime, u64)>,
}

/// A file that is compared with the one that was opened.
#[derive(Debug)]
pub(crate) struct WatchedFile {
    /// As given, so that a symbolic link that leads elsewhere is noticed.
    path: PathBuf,
    opened: FileId,
    /// SQLite serves it without locks, so it must not change at all.
    is_immutable: bool,
    last: Mutex<LastLook>,
}

#[derive(Debug)]
struct LastLook {
    /// The files of `BESIDE`, as they were first seen.
    beside: [(PathBuf, Option<FileId>); 2],
    is_gone: bool,
    /// It was overwritten in place, so what connections have read of it may be of either file.
    is_lost: bool,
}

impl WatchedFile {
    /// Remembers the file that is at the path now, which connections have opened.
    pub(crate) fn new(path: &Path, is_immutable: bool) -> io::Result<Self> {
        // SQLite names the others by where the links lead.
        let target = fs::canonicalize(path)?;
        let opened = identify(path, is_immutable)?;
        let beside = BESIDE.map(|suffix| {
            let beside = beside(&target, suffix);
            let id = identify(&beside, false).ok();
            (beside, id)
        });
        Ok(Self {
            path: path.to_owned(),
            opened,
            is_immutable,
            last: Mutex::new(LastLook {
                beside,
                is_gone: false,
                is_lost: false,
            }),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails if the file was not there, or was another one, at the last look.
    pub(crate) fn last_seen(&self) -> Result<()> {
        if self.last.lock().is_gone {
            return Err(Error::FileGone);
        }
        Ok(())
    }

    /// Looks whether the file and those beside it are still the same, and logs a change.
    ///
    /// # Errors
    /// `FileGone`. The file may come back: then this succeeds again.
    pub(crate) fn look(&self) -> Result<()> {
        let mut last = self.last.lock();
        let is_gone = last.is_lost || self.is_changed(&mut last.beside);
        if is_gone != last.is_gone {
            let file = self.path.display();
            if is_gone {
                tracing::error!(%file, "the database's file, or its -wal or -shm, was deleted or replaced: \
                     whatever needs it is UNAVAILABLE until it is back, or the server is started again");
            } else {
                tracing::info!(%file, "the database's file is back");
            }
        }
        last.is_gone = is_gone;
        if is_gone {
            return Err(Error::FileGone);
        }
        Ok(())
    }

    /// Notes that it was overwritten. It is gone until the server is started again.
    pub(crate) fn lose(&self) {
        self.last.lock().is_lost = true;
        // Logs it.
        let _ = self.look();
    }

    /// The bytes of the write-ahead log; 0 where there is none.
    pub(crate) fn log_bytes(&self) -> u64 {
        let last = self.last.lock();
        let [(log, _), _] = &last.beside;
        fs::metadata(log).map_or(0, |log| log.len())
    }

    fn is_changed(&self, beside: &mut [(PathBuf, Option<FileId>)]) -> bool {
        let is_other = |path: &Path, known: FileId, is_immutable| match identify(path, is_immutable)
        {
            Ok(found) => found != known,
            // The way to it is closed, which says nothing of the file.
            Err(error) => error.kind() != ErrorKind::PermissionDenied,
        };
        if is_other(&self.path, self.opened, self.is_immutable) {
            return true;
        }
        beside.iter_mut().any(|(path, known)| {
            if let Some(known) = known {
                return is_other(path, *known, false);
            }
            *known = identify(path, false).ok();
            // Somebody writes to what was to stay as it is.
            self.is_immutable && known.is_some()
        })
    }
}

/// The path of a file that SQLite keeps beside the database.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn identify(path: &Path, is_immutable: bool) -> io::Result<FileId> {
    let file = fs::metadata(path)?;
    let version = if is_immutable {
        Some((file.modified()?, file.len()))
    } else {
        None
    };
    Ok(FileId {
        device: file.dev(),
        inode: file.ino(),
        version,
    })
}
