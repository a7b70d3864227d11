//! A copy of an SQLite database, made while servers and masters write to it.

use std::path::Path;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement,
    sqlx::{self, ConnectOptions, Connection, sqlite::SqliteConnectOptions},
};

use crate::{
    config::database::DatabaseConfig,
    domain::command_error::CommandError,
    store::db::{
        location::DatabaseLocation, owner::find_owner, partial_file::PartialFile,
        pool::purpose::Purpose,
    },
};

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backup {
    pub(crate) bytes: u64,
    /// The name of its feed, if it has one.
    pub(crate) feed: Option<String>,
}

/// Copies an SQLite database, ours or a Buildbot master's, into a file that is not there yet.
/// Writers go on meanwhile.
///
/// The copy is of one moment. Its feed has a name of its own: once it grows, a cursor of the
/// original would name another event in it. It is written beside `file`, under a random name, and
/// takes the name of `file` when it is whole.
///
/// # Errors
/// Every reason why there is no copy.
pub(crate) async fn back_up(config: &DatabaseConfig, file: &Path) -> Result<Backup, CommandError> {
    let cannot = |reason: String| CommandError::Backup {
        file: file.display().to_string(),
        reason,
    };
    let location = DatabaseLocation::parse_existing(config)?;
    let other = match location.backend {
        DbBackend::Sqlite => None,
        DbBackend::MySql => Some("mariadb-dump"),
        _ => Some("pg_dump"),
    };
    if let Some(tool) = other {
        let url = &location.display_url;
        let reason = format!("this is for SQLite files; use {tool} for {url}");
        return Err(cannot(reason));
    }
    // Fails for another program's database.
    find_owner(&location, config).await?;
    let partial = PartialFile::begin(file).map_err(|e| cannot(e.to_string()))?;
    match fill(&location, config, &partial).await {
        Ok(feed) => {
            let bytes = partial.finish(file).map_err(|e| cannot(e.to_string()))?;
            Ok(Backup { bytes, feed })
        }
        Err(error) => Err(cannot(location.words(&error))),
    }
}

/// Writes the copy and returns the name of its feed, if it has one.
async fn fill(
    location: &DatabaseLocation,
    config: &DatabaseConfig,
    partial: &PartialFile,
) -> Result<Option<String>, DbErr> {
    let source = location.try_open(config, Purpose::Copy, 1).await?;
    require_write_ahead_log(location, &source).await?;
    // Lossless: `PartialFile::begin` refuses a path that is not UTF-8.
    let target = partial.path().to_string_lossy().into_owned();
    let copy = Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [target.into()]);
    let copied = source.execute_raw(copy).await;
    source.close().await?;
    copied?;
    rename_feed(partial.path())
        .await
        .map_err(|e| DbErr::Exec(RuntimeErr::SqlxError(e.into())))
}

/// Refuses a database whose writers would wait for the copy: only a write-ahead log allows writes
/// during a long read.
async fn require_write_ahead_log(
    location: &DatabaseLocation,
    source: &DatabaseConnection,
) -> Result<(), DbErr> {
    let mode = Statement::from_string(DbBackend::Sqlite, "PRAGMA journal_mode");
    let mode: Option<String> = match source.query_one_raw(mode).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => None,
    };
    if mode.as_deref() == Some("wal") {
        return Ok(());
    }
    let mode = mode.unwrap_or_default();
    Err(DbErr::Custom(format!(
        "{} has no write-ahead log (its journal mode is {mode}), so its writers would wait; stop them and copy the file",
        location.display_url
    )))
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
