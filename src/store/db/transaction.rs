//! Writing: transactions, which are tried again on a conflict, and row locks.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QuerySelect, Select,
    SqliteTransactionMode, TransactionOptions, TransactionTrait, sea_query::LockType,
};

use tokio::time::timeout;

use crate::{
    domain::error::{Error, Result},
    store::db::{database::Db, error_kind::is_answer},
};

/// How often a write that met a conflict is tried.
const TRIES: usize = 10;

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

impl Db {
    /// Runs `work` in one transaction: all of it happens, or nothing. On a conflict with another
    /// writer (a name or number taken meanwhile, a deadlock) it runs again.
    ///
    /// # Errors
    /// Those of `work`, `begin` and `commit`; `Conflict` where others were in the way again and
    /// again.
    pub(crate) async fn write<T: Send>(&self, work: &impl Work<T>) -> Result<T> {
        let mut tries = TRIES;
        loop {
            let txn = self.begin().await?;
            let done = match work.run(&txn).await {
                Ok(done) => txn.commit().await.map(|()| done),
                Err(error) => {
                    txn.roll_back().await;
                    Err(error)
                }
            };
            tries -= 1;
            self.writability.learn(&done);
            match done {
                Err(Error::Conflict) if tries > 0 => {}
                // What was committed meanwhile may have gone into a file that is not there.
                Ok(_) if self.look_at_file().is_err() => return Err(Error::OutcomeUnknown),
                done => return done,
            }
        }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// `FileGone`, `ReadOnly`, or `Unavailable` where SQLite's write lock is not to be had in time.
    pub(crate) async fn begin(&self) -> Result<Txn> {
        self.look_at_file()?;
        self.require_writable()?;
        Ok(Txn(self.writer.begin_with_options(write_options()).await?))
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
    async fn roll_back(self) {
        if let Err(error) = self.0.rollback().await {
            tracing::debug!(%error, "a transaction did not roll back cleanly");
        }
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
