//! A copy of an SQLite database, made while servers and masters write to it.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{Error as IoError, Result as IoResult},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf, absolute},
};

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, RuntimeErr, Statement,
    sqlx::{self, ConnectOptions, Connection, sqlite::SqliteConnectOptions},
};

use crate::{
    config::database::DatabaseConfig,
    domain::error::CommandError,
    store::{
        Db,
        db::{
            connect::{DatabaseLocation, reason},
            pool::Purpose,
        },
    },
};

/// For nobody else to read: what is in a database may be secret.
const PRIVATE: u32 = 0o600;

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backup {
    /// Its size.
    pub(crate) bytes: u64,
    /// The name that the feed has in it, if there is a feed.
    pub(crate) feed: Option<String>,
}

impl Db {
    /// Copies an SQLite database, ours or a Buildbot master's, into a file that is not there yet. Writers go on meanwhile.
    ///
    /// The copy is of one moment. Its feed has a name of its own: once it grows, a cursor of the original would name
    /// another event in it. It is written beside `file`, and takes that name when it is whole.
    ///
    /// # Errors
    /// Every reason why there is no copy, in words for the operator.
    pub(crate) async fn backup(
        config: &DatabaseConfig,
        file: &Path,
    ) -> Result<Backup, CommandError> {
        let cannot = |reason: String| CommandError::Backup {
            file: file.display().to_string(),
            reason,
        };
        let place = DatabaseLocation::existing(config)?;
        let other = match place.backend {
            DbBackend::Sqlite => None,
            DbBackend::MySql => Some("mariadb-dump"),
            _ => Some("pg_dump"),
        };
        if let Some(tool) = other {
            let reason = format!("this is for SQLite files; use {tool} for {}", place.shown);
            return Err(cannot(reason));
        }
        place.expect_known(config).await?;
        let part = PartialFile::begin(file).map_err(|e| cannot(e.to_string()))?;
        match fill(&place, config, &part).await {
            Ok(feed) => {
                let bytes = part.finish(file).map_err(|e| cannot(e.to_string()))?;
                Ok(Backup { bytes, feed })
            }
            Err(error) => {
                part.discard();
                Err(cannot(reason(&error)))
            }
        }
    }
}

/// Writes the copy; the name of its feed, if it has one.
async fn fill(
    place: &DatabaseLocation,
    config: &DatabaseConfig,
    part: &PartialFile,
) -> Result<Option<String>, DbErr> {
    let source = place.open(config, Purpose::Copy, 1).await?;
    // Only a write-ahead log lets others write while somebody reads for long.
    let mode = Statement::from_string(DbBackend::Sqlite, "PRAGMA journal_mode");
    let mode: Option<String> = match source.query_one_raw(mode).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => None,
    };
    if mode.as_deref() != Some("wal") {
        let mode = mode.unwrap_or_default();
        return Err(DbErr::Custom(format!(
            "{} has no write-ahead log (its journal mode is {mode}), so its writers would wait; stop them and copy the file",
            place.shown
        )));
    }
    let target = part.path.to_string_lossy().into_owned();
    let copy = Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [target.into()]);
    let copied = source.execute_raw(copy).await;
    source.close().await?;
    copied?;
    rename_feed(&part.path)
        .await
        .map_err(|e| DbErr::Exec(RuntimeErr::SqlxError(e.into())))
}

/// Gives the feed of a copy a name of its own.
async fn rename_feed(copy: &Path) -> Result<Option<String>, sqlx::Error> {
    let mut copy = SqliteConnectOptions::new()
        .filename(copy)
        .disable_statement_logging()
        .connect()
        .await?;
    let has_feed: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'graphql_feed'",
    )
    .fetch_one(&mut copy)
    .await?;
    let name = if has_feed == 0 {
        None
    } else {
        sqlx::query_scalar(
            "UPDATE graphql_feed SET epoch = lower(hex(randomblob(4))) RETURNING epoch",
        )
        .fetch_optional(&mut copy)
        .await?
    };
    copy.close().await?;
    Ok(name)
}

/// A copy that is being written: a file beside the one that it will be, locked so that no other backup writes it.
struct PartialFile {
    path: PathBuf,
    file: File,
}

impl PartialFile {
    /// Begins a copy. What a backup left behind that was killed is overwritten.
    fn begin(target: &Path) -> IoResult<Self> {
        expect_free(target)?;
        let mut path = absolute(target)?.into_os_string();
        path.push(".part");
        let path = PathBuf::from(path);
        if path.to_str().is_none() {
            return Err(IoError::other("its path is not UTF-8"));
        }
        let file = OpenOptions::new()
            .create(true)
            .write(true)
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
        file.set_permissions(Permissions::from_mode(PRIVATE))?;
        file.set_len(0)?;
        Ok(Self { path, file })
    }

    /// Makes the copy what it is to be, for good; its size.
    fn finish(self, target: &Path) -> IoResult<u64> {
        self.file.sync_all()?;
        let bytes = self.file.metadata()?.len();
        if let Err(error) = expect_free(target) {
            self.discard();
            return Err(error);
        }
        fs::rename(&self.path, target)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(bytes)
    }

    fn discard(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "what was written could not be removed");
        }
    }
}

/// Nothing is overwritten.
fn expect_free(target: &Path) -> IoResult<()> {
    match fs::symlink_metadata(target) {
        Ok(_) => Err(IoError::other("there is a file of this name already")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
