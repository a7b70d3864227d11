//! A file that is written beside its final name.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, Metadata, OpenOptions},
    io::{Error as IoError, ErrorKind, Result as IoResult},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf, absolute},
};

use rustix::{fs::OFlags, process::geteuid};
use tempfile::{Builder, NamedTempFile};

/// The end of the names of all copies that are being written. What is before it is random.
const SUFFIX: &str = ".part";
const RANDOM_LENGTH: usize = 12;

/// A copy that is being written, under a random name that only its owner may open. It is locked for
/// as long as it is written. Unless it is finished, it is removed when it is dropped.
pub(crate) struct PartialFile {
    copy: NamedTempFile,
    _journal: Journal,
}

/// SQLite's journal beside a copy, which it leaves where it is cut off; removed when dropped.
struct Journal(PathBuf);

impl PartialFile {
    /// Begins a copy that will be `target`, and removes what killed backups of it have left.
    pub(crate) fn begin(target: &Path) -> IoResult<Self> {
        expect_free(target)?;
        // Absolute, so that `finish` finds a folder to sync.
        let target = absolute(target)?;
        let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(IoError::other("it has no file name"));
        };
        if target.to_str().is_none() {
            return Err(IoError::other("its path is not UTF-8"));
        }
        let mut prefix = name.to_owned();
        prefix.push(".");
        // What cannot be listed or removed is no reason to make no copy.
        let _ = remove_abandoned(folder, &prefix);
        loop {
            // `O_EXCL`, which follows no link, and mode 0600.
            let copy = Builder::new()
                .prefix(&prefix)
                .suffix(SUFFIX)
                .rand_bytes(RANDOM_LENGTH)
                .tempfile_in(folder)?;
            copy.as_file().lock()?;
            // Another backup may have taken it for abandoned before it was locked.
            if copy.as_file().metadata()?.nlink() > 0 {
                let journal = Journal(journal_of(copy.path()));
                return Ok(Self {
                    copy,
                    _journal: journal,
                });
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.copy.path()
    }

    /// Gives the copy its name, for good, and returns its size in bytes. A file that has this name
    /// by now is left alone.
    pub(crate) fn finish(self, target: &Path) -> IoResult<u64> {
        self.copy.as_file().sync_all()?;
        let written = self.copy.as_file().metadata()?;
        // SQLite opens it by its name, which others may have changed where they may write.
        if !is_same(&written, &fs::symlink_metadata(self.path())?) {
            return Err(IoError::other("somebody has replaced the file meanwhile"));
        }
        let folder = self.path().parent().map(Path::to_owned);
        let named = self.copy.persist_noclobber(target);
        named.map_err(|failed| match failed.error.kind() {
            ErrorKind::AlreadyExists => taken(),
            _ => failed.error,
        })?;
        // A rename survives a power loss only once its folder is synced.
        if let Some(folder) = folder {
            File::open(folder)?.sync_all()?;
        }
        Ok(written.len())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn journal_of(copy: &Path) -> PathBuf {
    let mut journal = copy.as_os_str().to_owned();
    journal.push("-journal");
    journal.into()
}

/// Removes the copies in `folder` that begin with `prefix` and that nobody writes.
fn remove_abandoned(folder: &Path, prefix: &OsStr) -> IoResult<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_partial(&entry.file_name(), prefix)
            && let Some(_lock) = lock_abandoned(&entry.path())
        {
            fs::remove_file(entry.path())?;
            drop(Journal(journal_of(&entry.path())));
        }
    }
    Ok(())
}

fn is_partial(name: &OsString, prefix: &OsStr) -> bool {
    let random = name
        .as_encoded_bytes()
        .strip_prefix(prefix.as_encoded_bytes());
    let random = random.and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
    random.is_some_and(|random| {
        random.len() == RANDOM_LENGTH && random.iter().all(u8::is_ascii_alphanumeric)
    })
}

/// Locks a copy of this user's that nobody writes; `None` where it is anything else.
fn lock_abandoned(path: &Path) -> Option<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(flags.bits().cast_signed());
    let file = options.open(path).ok()?;
    let found = file.metadata().ok()?;
    let is_ours = found.is_file() && found.uid() == geteuid().as_raw();
    (is_ours && file.try_lock().is_ok()).then_some(file)
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Refuses a name that is taken: nothing is overwritten.
fn expect_free(target: &Path) -> IoResult<()> {
    match fs::symlink_metadata(target) {
        Ok(_) => Err(taken()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn taken() -> IoError {
    IoError::other("there is a file of this name already")
}
