//! Transactions, what is done in them, and row locks.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, FromQueryResult, QuerySelect,
    QueryTrait, Select, SqliteTransactionMode, TransactionOptions, sea_query::LockType,
};
use tokio::time::timeout;

use crate::{
    domain::error::{Error, Result},
    store::db::error_kind::is_answer,
};

/// How long a server's answer to a commit is waited for: a connection may be lost without a word.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// A write that is not committed yet; dropped, it never happened.
#[derive(Debug)]
pub(crate) struct Txn(pub(crate) DatabaseTransaction);

/// What a transaction does. It may run several times, and so must do nothing but write.
pub(crate) trait Work<T>: Send + Sync {
    fn run<'t>(&'t self, txn: &'t Txn) -> BoxFuture<'t, Result<T>>;
}

impl<T, F> Work<T> for F
where
    F: for<'t> Fn(&'t Txn) -> BoxFuture<'t, Result<T>> + Send + Sync,
{
    fn run<'t>(&'t self, txn: &'t Txn) -> BoxFuture<'t, Result<T>> {
        self(txn)
    }
}

/// Takes SQLite's write lock at the start: what is read stays true until the commit.
pub(crate) fn write_options() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

impl Txn {
    /// Commits.
    ///
    /// # Errors
    /// `OutcomeUnknown` where the database has not answered; after any other error nothing is
    /// written.
    pub(crate) async fn commit(self) -> Result<()> {
        let is_file = self.0.get_database_backend() == DbBackend::Sqlite;
        let commit = self.0.commit();
        let done = if is_file {
            // No connection to lose: it is answered, however long the disk takes.
            Ok(commit.await)
        } else {
            timeout(COMMIT_TIMEOUT, commit).await
        };
        match done {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if is_answer(&error) => Err(error.into()),
            Ok(Err(error)) => Err(unanswered(error)),
            Err(elapsed) => Err(unanswered(elapsed)),
        }
    }

    /// Rolls back now, not when the connection is next used: others may wait for its locks.
    pub(super) async fn roll_back(self) {
        if let Err(error) = self.0.rollback().await {
            tracing::debug!(%error, "a transaction did not roll back cleanly");
        }
    }

    /// The first of the selected rows. SQLite would compile a statement anew for each value of its
    /// limit, so the limit is no value here.
    pub(crate) async fn one<E: EntityTrait>(&self, select: Select<E>) -> Result<Option<E::Model>> {
        let backend = self.0.get_database_backend();
        let mut query = select.into_query();
        let statement = if backend == DbBackend::Sqlite {
            let mut statement = backend.build(&query);
            statement.sql.push_str(" LIMIT 1");
            statement
        } else {
            backend.build(query.limit(1))
        };
        let row = self.0.query_one_raw(statement).await?;
        let row = row.map(|row| E::Model::from_query_result(&row, ""));
        Ok(row.transpose()?)
    }

    /// Locks the selected rows against other writers until the transaction ends. On SQLite a
    /// writer is alone anyway.
    pub(crate) fn lock_rows<E: EntityTrait>(&self, select: Select<E>) -> Select<E> {
        match self.0.get_database_backend() {
            DbBackend::Sqlite => select,
            // Weaker than `Update`: a child's foreign key locks its parent too, which this allows.
            DbBackend::Postgres => select.lock(LockType::NoKeyUpdate),
            _ => select.lock(LockType::Update),
        }
    }
}

/// Logs why a commit has no answer.
fn unanswered(error: impl std::fmt::Display) -> Error {
    tracing::warn!(%error, "a commit was not answered");
    Error::OutcomeUnknown
}
