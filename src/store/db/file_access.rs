//! What this process may do with an SQLite file, and why it cannot be opened.

use std::{
    fs,
    io::{ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::store::db::watched_file::beside;

/// Where the header of a file says that it has a write-ahead log, and how.
const FORMATS: usize = 18;
const WRITE_AHEAD_LOG: [u8; 2] = [2, 2];

/// What is in a database may be secret.
const PRIVATE: u32 = 0o600;

/// What may be done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileAccess {
    /// It may be written to, or it is not there yet.
    Write,
    Read,
    /// It may be read as if nobody could change it, and in no other way: SQLite reads a file with a
    /// write-ahead log only where it finds, or can make, others beside it.
    ReadImmutable,
}

impl FileAccess {
    /// Looks at the rights of this process, and whether the disk is mounted read-only.
    pub(crate) fn of(file: &Path) -> Self {
        // Opening says what is wrong with any other.
        let Ok(target) = fs::canonicalize(file) else {
            return Self::Write;
        };
        let directory = directory_of(&target);
        if !target.is_file() || (may(&target, Access::WRITE_OK) && may_make_files(directory)) {
            return Self::Write;
        }
        let has_log = fs::metadata(beside(&target, "-wal")).is_ok_and(|log| log.len() > 0);
        let is_alone = !has_log && !beside(&target, "-shm").exists();
        if is_alone && !may_make_files(directory) && needs_log(&target) {
            return Self::ReadImmutable;
        }
        Self::Read
    }
}

/// Whether there is no such file, and one can be made.
pub(crate) fn is_free(file: &Path) -> bool {
    fs::symlink_metadata(file).is_err() && may_make_files(directory_of(file))
}

/// Makes a file that is not there yet, for its owner alone; SQLite gives the files beside it the
/// same mode. Where it cannot be made, opening it says why.
pub(crate) fn make_private(file: &Path) {
    // Closing one that is there would end the locks that this process has on it.
    if !file.exists() {
        let mut options = fs::OpenOptions::new();
        let _ = options.create(true).append(true).mode(PRIVATE).open(file);
    }
}

/// Why SQLite cannot open a file; `None` where nothing is found. `advice` is for a file that is not
/// there.
pub(crate) fn why_not_opened(file: &Path, may_create: bool, advice: &str) -> Option<String> {
    let directory = directory_of(file);
    let shown = directory.display();
    Some(match fs::metadata(file) {
        Ok(found) if found.is_dir() => "it is a directory".to_owned(),
        Ok(found) if !found.is_file() => "it is no regular file".to_owned(),
        Ok(_) if !may(file, Access::READ_OK) => "there is no right to read it".to_owned(),
        Ok(_) if !may_make_files(directory) => format!(
            "it has a write-ahead log, which cannot be read without the right to make files in {shown}"
        ),
        Ok(_) => return None,
        Err(error) => match error.kind() {
            ErrorKind::PermissionDenied => format!("there is no right to look into {shown}"),
            ErrorKind::NotADirectory => format!("{shown} is not a directory"),
            ErrorKind::NotFound if fs::symlink_metadata(file).is_ok() => {
                "it is a symbolic link to a file that is not there".to_owned()
            }
            ErrorKind::NotFound if !directory.exists() => {
                format!("there is no directory {shown}")
            }
            ErrorKind::NotFound if !may_create => format!("there is no such file{advice}"),
            ErrorKind::NotFound => format!("there is no right to make a file in {shown}"),
            _ => error.to_string(),
        },
    })
}

fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    }
}

fn may_make_files(directory: &Path) -> bool {
    may(directory, Access::WRITE_OK | Access::EXEC_OK)
}

fn may(path: &Path, access: Access) -> bool {
    accessat(CWD, path, access, AtFlags::EACCESS).is_ok()
}

/// Whether a file has a write-ahead log. Read while no connection is open: closing a file ends the
/// locks that this process has on it.
fn needs_log(file: &Path) -> bool {
    let mut header = [0; FORMATS + WRITE_AHEAD_LOG.len()];
    let read = fs::File::open(file).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[FORMATS..] == WRITE_AHEAD_LOG
}
