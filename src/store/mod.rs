//! The sea-orm entity layer, and the only SQL: per noun its entity, its batch reads and its writes.

use std::sync::Arc;

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr, SqliteTransactionMode, Statement,
    StatementBuilder, TransactionOptions, TransactionTrait, sqlx,
};

use crate::error::{Error, Result};

pub mod build;
pub mod builder;
mod connect;
pub use connect::OnPending;
pub mod event;
mod filter;
mod list;
pub mod loose;
pub mod step;

/// A database: one connection that writes, so that writers queue here and not on the file's lock,
/// a pool that reads, and one that only watches for other processes' writes.
#[derive(Clone, Debug)]
pub struct Db {
    reader: DatabaseConnection,
    writer: Option<DatabaseConnection>,
    watcher: DatabaseConnection,
    has_feed: bool,
}

/// A write that is not yet committed; dropped, it never happened.
#[derive(Debug)]
pub struct Txn(DatabaseTransaction);

impl Db {
    /// Begins to write. On SQLite at once with the write lock, so that what is read stays true until the commit.
    ///
    /// # Errors
    /// `ReadOnly` on a Buildbot master's database, `Unavailable` where the lock is not to be had in time.
    pub async fn begin(&self) -> Result<Txn> {
        let writer = self.writer.as_ref().ok_or(Error::ReadOnly)?;
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(Txn(writer.begin_with_options(options).await?))
    }

    /// It is ours to write to; a Buildbot master's is not.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writer.is_some()
    }

    /// It records the changes of its steps.
    #[must_use]
    pub fn has_feed(&self) -> bool {
        self.has_feed
    }

    /// Calls `f` for each statement, so that a test can count them.
    pub fn on_statement(&mut self, f: impl Fn(&str) + Send + Sync + 'static) {
        let f = Arc::new(f);
        for connection in [Some(&mut self.reader), self.writer.as_mut()]
            .into_iter()
            .flatten()
        {
            let f = f.clone();
            connection.set_metric_callback(move |info| f(&info.statement.sql));
        }
    }

    /// Asks for nothing, to see whether the database answers.
    ///
    /// # Errors
    /// `Unavailable` where it does not.
    pub async fn ping(&self) -> Result<()> {
        self.reader.ping().await.map_err(Error::from)
    }

    /// Closes every connection; on SQLite the write-ahead log is folded into the file.
    pub async fn close(&self) {
        let all = [
            Some(&self.reader),
            Some(&self.watcher),
            self.writer.as_ref(),
        ];
        for connection in all.into_iter().flatten() {
            if let Err(error) = connection.clone().close().await {
                tracing::warn!(%error, "a connection did not close cleanly");
            }
        }
    }

    fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    fn statement(&self, query: &impl StatementBuilder) -> Statement {
        self.reader.get_database_backend().build(query)
    }
}

impl Txn {
    /// Makes it happen.
    ///
    /// # Errors
    /// `Unavailable` where the database could not write it; then nothing is written.
    pub async fn commit(self) -> Result<()> {
        Ok(self.0.commit().await?)
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        let unavailable = match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
            DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) => {
                is_unavailable(e)
            }
            _ => false,
        };
        if unavailable {
            tracing::warn!(%error, "the database does not answer");
            Self::Unavailable
        } else {
            Self::internal(error)
        }
    }
}

/// Errors that pass by themselves: the primary codes BUSY, LOCKED, IOERR and FULL of SQLite, and a lost connection.
fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(e) => e
            .code()
            .and_then(|code| code.parse::<i32>().ok())
            .is_some_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13)),
        _ => false,
    }
}
