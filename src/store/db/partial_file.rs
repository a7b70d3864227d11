//! A file that is written beside its final name.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{Error as IoError, ErrorKind, Result as IoResult},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf, absolute},
};

/// Only the owner may read it: what is in a database may be secret.
const PRIVATE: u32 = 0o600;

/// A copy that is being written, locked so that no other backup writes it. Unless it is finished,
/// it is removed when it is dropped.
pub(crate) struct PartialFile {
    pub(crate) path: PathBuf,
    /// Holds the lock as long as it is open.
    file: File,
    is_finished: bool,
}

impl PartialFile {
    /// Begins a copy. What a killed backup left behind is overwritten.
    pub(crate) fn begin(target: &Path) -> IoResult<Self> {
        expect_free(target)?;
        // Absolute, so that `finish` finds a folder to sync.
        let mut path = absolute(target)?.into_os_string();
        path.push(".part");
        let path = PathBuf::from(path);
        if path.to_str().is_none() {
            return Err(IoError::other("its path is not UTF-8"));
        }
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            // Emptied only under the lock: another backup may be writing it.
            .truncate(false)
            .mode(PRIVATE)
            .open(&path)
            .map_err(|e| IoError::new(e.kind(), format!("{}: {e}", path.display())))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(IoError::other("another backup is writing it"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Before anything else can fail, as dropping it removes what is begun.
        let partial = Self {
            path,
            file,
            is_finished: false,
        };
        // A file that was left behind has kept its mode.
        partial
            .file
            .set_permissions(Permissions::from_mode(PRIVATE))?;
        partial.file.set_len(0)?;
        Ok(partial)
    }

    /// Gives the copy its name, for good, and returns its size in bytes.
    pub(crate) fn finish(mut self, target: &Path) -> IoResult<u64> {
        self.file.sync_all()?;
        let bytes = self.file.metadata()?.len();
        // Checked again, as a rename would overwrite a file made meanwhile.
        expect_free(target)?;
        fs::rename(&self.path, target)?;
        self.is_finished = true;
        // A rename survives a power loss only once its folder is synced.
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(bytes)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "what was written could not be removed");
        }
        // SQLite leaves it where a copy is cut off.
        let mut journal = self.path.clone().into_os_string();
        journal.push("-journal");
        let _ = fs::remove_file(journal);
    }
}

/// Refuses a name that is taken: nothing is overwritten.
fn expect_free(target: &Path) -> IoResult<()> {
    match fs::symlink_metadata(target) {
        Ok(_) => Err(IoError::other("there is a file of this name already")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
