//! How connections to an SQLite file are set up.

use std::{sync::atomic::Ordering, time::Duration};

use sea_orm::{
    ConnectOptions,
    sqlx::{
        Connection, Sqlite,
        pool::PoolOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};
use tokio::time::Instant;

use crate::{
    config::database::DatabaseConfig,
    store::db::pool::{abandoned::is_abandoned, purpose::Purpose},
};

/// The length, in bytes, beyond which the write-ahead log is shortened. SQLite copies the log into
/// the database at about half of this.
pub(crate) const LOG_LIMIT: u64 = 8 << 20;

/// After how many instructions the clock is read: a millisecond or less.
const CLOCK_INSTRUCTIONS: i32 = 10_000;

/// Adds what a file needs to the options of a pool.
pub(crate) fn set_sqlite_options(
    options: &mut ConnectOptions,
    config: &DatabaseConfig,
    purpose: Purpose,
) {
    let busy = config.busy();
    // Our writes are short, and migrations and `attach` must not be cut off.
    let is_limited = matches!(purpose, Purpose::Read | Purpose::ReadBuildbots);
    // All at once: one that was opened later might find another file.
    let at_once = match purpose {
        Purpose::KeepFeed => 0,
        _ => options.get_max_connections().unwrap_or(1),
    };
    let limit = config.statement();
    options
        // Writers queue for their one connection, and wait as long as for the file's lock.
        .acquire_timeout(busy)
        .min_connections(at_once)
        // A connection that is kept forever keeps its compiled statements and its `data_version`.
        .idle_timeout(None)
        .max_lifetime(None)
        .map_sqlx_sqlite_pool_opts(move |pool| {
            let pool = if is_limited {
                limit_reads(pool, limit)
            } else {
                pool
            };
            close_when_stuck(pool)
        })
        .map_sqlx_sqlite_opts(move |o| set_access(o.busy_timeout(busy), purpose));
}

/// What connections may do to the file.
fn set_access(options: SqliteConnectOptions, purpose: Purpose) -> SqliteConnectOptions {
    match purpose {
        // Not `read_only`: inspecting a new database of ours makes its file.
        Purpose::Inspect => options.pragma("query_only", "ON"),
        Purpose::Read => options.pragma("query_only", "ON").create_if_missing(false),
        Purpose::Command => options,
        // FULL: after a power loss no position is given out twice that a subscriber has seen.
        Purpose::Write => options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("journal_size_limit", LOG_LIMIT.to_string())
            .foreign_keys(true),
        Purpose::ReadBuildbots => options.read_only(true).create_if_missing(false),
        // Not synced: a power loss may bring old events back, which are dropped again, and
        // Buildbot's writes wait less.
        Purpose::KeepFeed => options
            .synchronous(SqliteSynchronous::Normal)
            .create_if_missing(false),
        Purpose::Install | Purpose::Copy => options.create_if_missing(false),
    }
}

/// Ends a read after `limit`, counted from when the connection leaves the pool, or once it is
/// abandoned: SQLite has no timeout for statements.
fn limit_reads(pool: PoolOptions<Sqlite>, limit: Option<Duration>) -> PoolOptions<Sqlite> {
    pool.before_acquire(move |connection, _| {
        Box::pin(async move {
            let end = limit.map(|limit| Instant::now() + limit);
            let is_abandoned = is_abandoned();
            let mut handle = connection.lock_handle().await?;
            handle.set_progress_handler(CLOCK_INSTRUCTIONS, move || {
                end.is_none_or(|end| Instant::now() < end) && !is_abandoned.load(Ordering::Relaxed)
            });
            Ok(true)
        })
    })
}

/// Closes a connection that is returned in a transaction. On a full disk SQLite ends a transaction
/// by itself; sqlx's ROLLBACK then fails, and sqlx would nest all later transactions in one that is
/// gone.
fn close_when_stuck(pool: PoolOptions<Sqlite>) -> PoolOptions<Sqlite> {
    pool.after_release(|connection, _| {
        Box::pin(std::future::ready(Ok(!connection.is_in_transaction())))
    })
}
