//! The connections to a database of each kind: what they may do, how long they wait, and when they are tried again.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbBackend, DbErr, RuntimeErr,
    sqlx::{
        self, AssertSqlSafe, Connection, Executor, Sqlite,
        mysql::MySqlConnectOptions,
        pool::PoolOptions,
        postgres::PgConnectOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};

use tokio::time::{Instant, sleep};

use crate::config::database::DatabaseConfig;

/// A connection that was idle for so long is tried before it is used: the database may have been started anew.
const TRY_AFTER: Duration = Duration::from_secs(1);

/// After so many instructions SQLite looks at the clock: a millisecond or less.
const LOOK_AFTER: i32 = 10_000;

/// How long a file that is busy is left alone.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// What connections are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A first look at a database that may be anybody's, and the one change of a command.
    Look,
    /// Copying an SQLite database, whosever it is.
    Copy,
    /// Writing to our own.
    Write,
    /// Reading our own.
    Read,
    /// Reading a Buildbot master's.
    ReadBuildbots,
    /// Writing to the feed's own tables in a Buildbot master's; connected when there is something to write.
    KeepFeed,
    /// Putting the feed into a Buildbot master's, or taking it out.
    Attach,
}

/// Opens so many connections.
pub(crate) async fn open(
    url: &str,
    backend: DbBackend,
    config: &DatabaseConfig,
    purpose: Purpose,
    connections: u32,
) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections.max(1))
        .sqlx_logging(false)
        // Without the values; there are spans only where traces are built in.
        .record_stmt_in_spans(true)
        .test_before_acquire(false)
        .connect_lazy(purpose == Purpose::KeepFeed);
    match backend {
        DbBackend::Sqlite => sqlite(&mut options, config, purpose),
        DbBackend::MySql => {
            let session = mysql_session(config, purpose);
            options.map_sqlx_mysql_pool_opts(move |pool| beginning_with(pool, &session));
            over_the_network(&mut options, config);
        }
        _ => {
            let session = postgres_session(config, purpose);
            options.map_sqlx_postgres_pool_opts(move |pool| beginning_with(pool, &session));
            options.map_sqlx_postgres_opts(|o| o.application_name("buildbot-graphql"));
            over_the_network(&mut options, config);
        }
    }
    if backend == DbBackend::Sqlite {
        return once_free(options, config.busy()).await;
    }
    match Database::connect(options).await {
        Ok(connection) => Ok(connection),
        Err(error) => Err(reason(url, backend).await.unwrap_or(error)),
    }
}

/// Connects to a file. Where another process turns on its write-ahead log at the same moment, SQLite says that it is
/// busy without waiting as long as it was told to.
async fn once_free(
    options: ConnectOptions,
    patience: Duration,
) -> Result<DatabaseConnection, DbErr> {
    let deadline = Instant::now() + patience;
    loop {
        match Database::connect(options.clone()).await {
            Err(error) if crate::store::is_busy(&error) && Instant::now() < deadline => {
                sleep(TRY_AGAIN).await;
            }
            done => return done,
        }
    }
}

/// Why a server does not let us in: a pool that has tried again and again says only that it had no time left.
async fn reason(url: &str, backend: DbBackend) -> Option<DbErr> {
    let refused = match backend {
        DbBackend::MySql => tried(url.parse::<MySqlConnectOptions>().ok()?).await,
        _ => tried(url.parse::<PgConnectOptions>().ok()?).await,
    };
    Some(DbErr::Conn(RuntimeErr::SqlxError(refused?.into())))
}

/// The error of a single try, where it comes soon.
async fn tried<O>(options: O) -> Option<sqlx::Error>
where
    O: sqlx::ConnectOptions<Connection: Sized>,
{
    tokio::time::timeout(TRY_AFTER, options.connect())
        .await
        .ok()?
        .err()
}

/// Each connection begins with these statements.
fn beginning_with<D: sqlx::Database>(pool: PoolOptions<D>, session: &str) -> PoolOptions<D>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    let session: Arc<str> = session.into();
    pool.after_connect(move |connection, _| {
        let session = session.to_string();
        Box::pin(async move {
            connection.execute(AssertSqlSafe(session)).await?;
            Ok(())
        })
    })
}

fn over_the_network(options: &mut ConnectOptions, config: &DatabaseConfig) {
    options
        .acquire_timeout(Duration::from_secs(config.connect_seconds.max(1)))
        .test_before_acquire_if_idle_for(TRY_AFTER);
}

fn sqlite(options: &mut ConnectOptions, config: &DatabaseConfig, purpose: Purpose) {
    let busy = config.busy();
    // What writes is short, and migrations and `attach` are not to be cut off.
    let reads = matches!(purpose, Purpose::Read | Purpose::ReadBuildbots);
    let statement = config.statement();
    options
        .acquire_timeout(busy)
        // A connection that is kept forever keeps its compiled statements, and its place in `data_version`.
        .idle_timeout(None)
        .max_lifetime(None)
        .map_sqlx_sqlite_pool_opts(move |pool| {
            let pool = match statement {
                Some(statement) if reads => ending_after(pool, statement),
                _ => pool,
            };
            pool.after_release(|connection, _| {
                // A full disk makes SQLite end a transaction by itself. sqlx, whose ROLLBACK then fails, believes that it
                // goes on and would nest all later ones in it: such a connection is closed.
                Box::pin(std::future::ready(Ok(!connection.is_in_transaction())))
            })
        })
        .map_sqlx_sqlite_opts(move |o| {
            let o = o.busy_timeout(busy);
            // FULL: after a power loss no position is given out twice that somebody has already heard.
            let ours = |o: SqliteConnectOptions| {
                o.journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
            };
            match purpose {
                Purpose::Look => o,
                Purpose::Write => ours(o),
                Purpose::Read => o.pragma("query_only", "ON"),
                Purpose::ReadBuildbots => o.read_only(true).create_if_missing(false),
                // Not synced: a power loss may bring old events back, which are dropped again, and Buildbot's writes wait less.
                Purpose::KeepFeed => o
                    .synchronous(SqliteSynchronous::Normal)
                    .create_if_missing(false),
                Purpose::Attach | Purpose::Copy => o.create_if_missing(false),
            }
        });
}

/// A connection reads for so long at a time, from when it is taken out of the pool: SQLite itself ends nothing.
fn ending_after(pool: PoolOptions<Sqlite>, after: Duration) -> PoolOptions<Sqlite> {
    pool.before_acquire(move |connection, _| {
        Box::pin(async move {
            let end = Instant::now() + after;
            let mut handle = connection.lock_handle().await?;
            handle.set_progress_handler(LOOK_AFTER, move || Instant::now() < end);
            Ok(true)
        })
    })
}

/// Limits come from the session, not from the connection's parameters, which a pooler in between may refuse.
fn postgres_session(config: &DatabaseConfig, purpose: Purpose) -> String {
    let read_only = match purpose {
        Purpose::Read | Purpose::ReadBuildbots => "on",
        _ => "off",
    };
    let (busy, statement) = (config.busy_seconds.max(1), config.statement_seconds);
    // Whoever waits for a lock on a table has all later ones wait behind it: a master's writes.
    let lock = match purpose {
        Purpose::Attach => "40ms".to_owned(),
        _ => format!("{busy}s"),
    };
    // A server that is stopped or cut off in the middle of a write must not keep its locks.
    format!(
        "SET lock_timeout = '{lock}'; SET statement_timeout = '{statement}s'; \
         SET idle_in_transaction_session_timeout = '{busy}s'; SET default_transaction_read_only = {read_only}; \
         SET default_transaction_isolation = 'read committed'; SET client_min_messages = warning"
    )
}

fn mysql_session(config: &DatabaseConfig, purpose: Purpose) -> String {
    let access = match purpose {
        Purpose::Read | Purpose::ReadBuildbots => "READ ONLY",
        _ => "READ WRITE",
    };
    let (busy, statement) = (config.busy_seconds.max(1), config.statement_seconds);
    // See PostgreSQL. None at all is MariaDB's word; MySQL takes a second.
    let lock = match purpose {
        Purpose::Attach => 0,
        _ => busy,
    };
    // MariaDB reads the first comment, MySQL the second. Each statement sees what is committed by then, as on PostgreSQL.
    format!(
        "SET SESSION innodb_lock_wait_timeout = {busy}, lock_wait_timeout = {lock} \
         /*M! , max_statement_time = {statement}, idle_write_transaction_timeout = {busy} */ \
         /*!80000 , max_execution_time = {statement}000 */; \
         SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, {access}"
    )
}
