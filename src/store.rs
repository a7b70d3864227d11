//! The sea-orm entity layer, and the only SQL: per noun its entity, its batch reads and its writes.

pub(crate) mod build;
pub(crate) mod builder;
pub(crate) mod db;
pub(crate) mod event;
pub(crate) mod feed_install;
pub(crate) mod query;
pub(crate) mod sequencer;
pub(crate) mod step;
pub(crate) mod token;
pub(crate) mod unchecked_int;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::future::BoxFuture;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    QuerySelect, RuntimeErr, Select, SqliteTransactionMode, Statement, StatementBuilder,
    TransactionOptions, TransactionTrait, sea_query::LockType, sqlx,
};

use crate::{
    domain::error::{Error, Result},
    store::db::statistics::Observer,
};

/// How often a write is begun anew when another writer was in its way.
const TRIES: usize = 10;

/// A database: connections that write (one on SQLite, so that writers queue here and not on the file's lock),
/// a pool that reads, and one that watches for other processes' writes.
#[derive(Clone, Debug)]
pub(crate) struct Db {
    reader: DatabaseConnection,
    /// In a Buildbot master's database it writes to the feed's own tables alone, and connects when there is something to write.
    writer: DatabaseConnection,
    watcher: DatabaseConnection,
    is_ours: bool,
    /// `builds.locks_duration_s` is there; Buildbot before 4.2 has none.
    has_lock_waits: Arc<AtomicBool>,
    /// What is told of each statement.
    observer: Observer,
}

/// A write that is not yet committed; dropped, it never happened.
#[derive(Debug)]
pub(crate) struct Txn(DatabaseTransaction);

impl Db {
    /// Does a write in one transaction: all of it happens, or nothing. Where another writer was in its way (a name or
    /// number taken meanwhile, a deadlock) it is done anew, so `work` must do nothing else than write.
    ///
    /// # Errors
    /// Those of `work` and of `begin`; `Conflict` where others were in the way again and again.
    pub(crate) async fn write<T: Send>(
        &self,
        work: impl for<'t> Fn(&'t Txn) -> BoxFuture<'t, Result<T>> + Send + Sync,
    ) -> Result<T> {
        let mut tries = TRIES;
        loop {
            let txn = self.begin().await?;
            let done = match work(&txn).await {
                Ok(done) => txn.commit().await.map(|()| done),
                Err(error) => {
                    txn.roll_back().await;
                    Err(error)
                }
            };
            tries -= 1;
            match done {
                Err(Error::Conflict) if tries > 0 => {}
                done => return done,
            }
        }
    }

    /// Begins to write. On SQLite at once with the write lock, so that what is read stays true until the commit.
    ///
    /// # Errors
    /// `ReadOnly` on a Buildbot master's database, `Unavailable` where the lock is not to be had in time.
    pub(crate) async fn begin(&self) -> Result<Txn> {
        if !self.is_ours {
            return Err(Error::ReadOnly);
        }
        Ok(Txn(self.writer.begin_with_options(to_write()).await?))
    }

    /// The same, read by the connection that watches: whoever must not wait for other readers.
    #[must_use]
    pub(crate) fn watching(&self) -> Self {
        Self {
            reader: self.watcher.clone(),
            ..self.clone()
        }
    }

    /// It is ours to write to; a Buildbot master's is not.
    #[must_use]
    pub(crate) fn is_writable(&self) -> bool {
        self.is_ours
    }

    /// It is a Buildbot master's, with the tables that only Buildbot has.
    #[must_use]
    pub(crate) fn is_buildbots(&self) -> bool {
        !self.is_ours
    }

    /// Its events get their places only after their commit.
    #[must_use]
    pub(crate) fn needs_sequencing(&self) -> bool {
        self.backend() != DbBackend::Sqlite
    }

    /// Asks for nothing, to see whether the database answers.
    ///
    /// # Errors
    /// `Unavailable` where it does not.
    pub(crate) async fn ping(&self) -> Result<()> {
        self.reader.ping().await.map_err(Error::from)
    }

    /// Closes every connection; on SQLite the write-ahead log is folded into the file.
    pub(crate) async fn close(&self) {
        for connection in [&self.reader, &self.watcher, &self.writer] {
            if let Err(error) = connection.clone().close().await {
                tracing::warn!(%error, "a connection did not close cleanly");
            }
        }
    }

    fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    fn backend(&self) -> DbBackend {
        self.reader.get_database_backend()
    }

    fn statement(&self, query: &impl StatementBuilder) -> Statement {
        let mut statement = self.backend().build(query);
        if !self.has_lock_waits.load(Ordering::Relaxed) {
            statement.sql = crate::store::db::connect::without_lock_waits(&statement.sql);
        }
        statement
    }
}

/// On SQLite with the write lock from the start: what is read stays true until the commit.
fn to_write() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

impl Txn {
    /// Makes it happen.
    ///
    /// # Errors
    /// `Unavailable` where the database could not write it; then nothing is written.
    pub(crate) async fn commit(self) -> Result<()> {
        Ok(self.0.commit().await?)
    }
}

impl Txn {
    /// Ends it at once, not when the connection is used next: others may wait for its locks.
    async fn roll_back(self) {
        if let Err(error) = self.0.rollback().await {
            tracing::debug!(%error, "a transaction did not roll back cleanly");
        }
    }

    /// The rows, locked against other writers until the transaction ends. On SQLite a writer is alone anyway.
    fn locked<E: EntityTrait>(&self, select: Select<E>) -> Select<E> {
        match self.0.get_database_backend() {
            DbBackend::Sqlite => select,
            // Whoever adds a child row needs to lock its parent too, which this does not forbid.
            DbBackend::Postgres => select.lock(LockType::NoKeyUpdate),
            _ => select.lock(LockType::Update),
        }
    }
}

/// How a database's refusal is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DbErrorKind {
    /// Another writer was in the way; begun anew, it may well work.
    Conflict,
    /// It passes by itself.
    Passing,
    /// The user has not the right.
    Denied,
    /// It should not have happened.
    Unexpected,
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match trouble_of(&error) {
            DbErrorKind::Conflict => {
                tracing::debug!(%error, "another writer was in the way");
                Self::Conflict
            }
            DbErrorKind::Passing => {
                tracing::warn!(%error, "the database does not answer");
                Self::Unavailable
            }
            DbErrorKind::Denied | DbErrorKind::Unexpected => Self::internal(error),
        }
    }
}

fn trouble_of(error: &DbErr) -> DbErrorKind {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => DbErrorKind::Passing,
        DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) => {
            trouble(e)
        }
        _ => DbErrorKind::Unexpected,
    }
}

fn trouble(error: &sqlx::Error) -> DbErrorKind {
    match error {
        // `Protocol` is what a server leaves behind that died in the middle of an answer.
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => DbErrorKind::Passing,
        sqlx::Error::Database(e) => {
            if e.is_unique_violation() {
                return DbErrorKind::Conflict;
            }
            if let Some(e) = e.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
                return of_mysql(e.number());
            }
            let code = e.code().unwrap_or_default();
            if e.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                .is_some()
            {
                return of_postgres(&code);
            }
            code.parse().map_or(DbErrorKind::Unexpected, of_sqlite)
        }
        _ => DbErrorKind::Unexpected,
    }
}

/// Another connection holds what this one needs, on SQLite.
fn is_busy(error: &DbErr) -> bool {
    let DbErr::Conn(RuntimeErr::SqlxError(error)) = error else {
        return false;
    };
    let code = error
        .as_database_error()
        .and_then(|e| e.code()?.parse().ok());
    code.is_some_and(|code: i32| code & 0xff == 5)
}

/// By the primary codes: BUSY, LOCKED, INTERRUPT (a statement that took too long), IOERR and FULL.
fn of_sqlite(code: i32) -> DbErrorKind {
    match code & 0xff {
        5 | 6 | 9 | 10 | 13 => DbErrorKind::Passing,
        _ => DbErrorKind::Unexpected,
    }
}

fn of_postgres(code: &str) -> DbErrorKind {
    match code {
        // Serialization failure and deadlock.
        "40001" | "40P01" => DbErrorKind::Conflict,
        "42501" => DbErrorKind::Denied,
        // Lock, statement and idle timeouts, and a server that has become a standby.
        "55P03" | "57014" | "25P03" | "25006" => DbErrorKind::Passing,
        // Lost connections, a lack of resources such as disk, operators who shut down, failures of the system.
        _ if ["08", "53", "57P", "58"]
            .iter()
            .any(|c| code.starts_with(c)) =>
        {
            DbErrorKind::Passing
        }
        _ => DbErrorKind::Unexpected,
    }
}

/// By the numbers of MariaDB and MySQL.
fn of_mysql(number: u16) -> DbErrorKind {
    match number {
        // Deadlock, and a row that changed since it was read.
        1213 | 1020 => DbErrorKind::Conflict,
        // Of a table or a column.
        1142 | 1143 => DbErrorKind::Denied,
        // Lock wait, statement and idle timeouts; connections refused, killed or lost; shutdown; read-only; disk full.
        1205 | 1969 | 3024 | 1317 | 1040 | 1042 | 1047 | 1053 | 1077 | 1203 | 1290 | 1836
        | 1927 | 4031 | 1021 | 1114 => DbErrorKind::Passing,
        _ => DbErrorKind::Unexpected,
    }
}
