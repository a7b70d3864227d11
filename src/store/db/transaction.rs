//! Transactions, what is done in them, and row locks.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, Insert,
    PrimaryKeyTrait, QuerySelect, QueryTrait, Select, SqliteTransactionMode, Statement,
    StatementBuilder, TransactionOptions, TryFromU64,
    sea_query::{LockType, SelectStatement},
};
use tokio::time::timeout;

use crate::{
    domain::error::{Error, Result},
    store::{
        db::{error_kind::is_answer, inline_writer::InlineTxn},
        row::{FromRow, Row},
    },
};

/// How long a server's answer to a commit is waited for: a connection may be lost without a word.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// A write that is not committed yet; dropped, it never happened.
#[derive(Debug)]
pub(crate) enum Txn {
    /// On a connection of the pool.
    Pooled(DatabaseTransaction),
    /// On SQLite, on the thread that asks.
    Inline(Box<InlineTxn>),
}

/// The type of an entity's id.
type IdOf<A> =
    <<<A as ActiveModelTrait>::Entity as EntityTrait>::PrimaryKey as PrimaryKeyTrait>::ValueType;

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
        let txn = match self {
            Self::Inline(txn) => return txn.commit().await,
            Self::Pooled(txn) => txn,
        };
        let is_file = txn.get_database_backend() == DbBackend::Sqlite;
        let commit = txn.commit();
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
        if let Self::Pooled(txn) = self
            && let Err(error) = txn.rollback().await
        {
            tracing::debug!(%error, "a transaction did not roll back cleanly");
        }
    }

    pub(crate) fn backend(&self) -> DbBackend {
        match self {
            Self::Pooled(txn) => txn.get_database_backend(),
            Self::Inline(_) => DbBackend::Sqlite,
        }
    }

    /// The first of the selected rows. SQLite would compile a statement anew for each value of its
    /// limit, so the limit is no value here.
    pub(crate) async fn one<R: FromRow>(
        &self,
        select: impl QueryTrait<QueryStatement = SelectStatement>,
    ) -> Result<Option<R>> {
        let mut query = select.into_query();
        let statement = if self.backend() == DbBackend::Sqlite {
            let mut statement = self.backend().build(&query);
            statement.sql.push_str(" LIMIT 1");
            statement
        } else {
            self.backend().build(query.limit(1))
        };
        Ok(self.rows(statement).await?.pop())
    }

    /// Every selected row.
    pub(crate) async fn all<R: FromRow>(
        &self,
        select: impl QueryTrait<QueryStatement = SelectStatement>,
    ) -> Result<Vec<R>> {
        let statement = self.backend().build(select.as_query());
        self.rows(statement).await
    }

    async fn rows<R: FromRow>(&self, statement: Statement) -> Result<Vec<R>> {
        let txn = match self {
            Self::Inline(txn) => return txn.rows(&statement),
            Self::Pooled(txn) => txn,
        };
        let rows = txn.query_all_raw(statement).await?;
        let rows = rows.iter().map(|row| R::from_row(Row::Pooled(row)));
        Ok(rows.collect::<Result<_, DbErr>>()?)
    }

    /// Changes rows, and returns how many. Rows that have the new values already count too.
    pub(crate) async fn execute<Q>(&self, change: Q) -> Result<u64>
    where
        Q: QueryTrait<QueryStatement: StatementBuilder>,
    {
        let statement = self.backend().build(change.as_query());
        match self {
            Self::Pooled(txn) => Ok(txn.execute_raw(statement).await?.rows_affected()),
            Self::Inline(txn) => txn.execute(&statement),
        }
    }

    /// Adds a row, and returns its id.
    pub(crate) async fn insert<A: ActiveModelTrait>(&self, row: A) -> Result<IdOf<A>> {
        let insert = Insert::one(row);
        match self {
            Self::Pooled(txn) => Ok(insert.exec(txn).await?.last_insert_id),
            Self::Inline(txn) => {
                txn.execute(&DbBackend::Sqlite.build(insert.as_query()))?;
                Ok(IdOf::<A>::try_from_u64(txn.last_id().cast_unsigned())?)
            }
        }
    }

    /// Runs a statement that has neither values nor rows.
    pub(super) async fn control(&self, sql: &str) -> Result<()> {
        match self {
            Self::Pooled(txn) => Ok(txn.execute_unprepared(sql).await.map(drop)?),
            Self::Inline(txn) => txn.control(sql),
        }
    }

    /// Whether SQLite has refused a statement since the last time, so that the pool is to do the
    /// write.
    pub(super) fn take_failure(&self) -> bool {
        match self {
            Self::Pooled(_) => false,
            Self::Inline(txn) => txn.take_failure(),
        }
    }

    /// Locks the selected rows against other writers until the transaction ends. On SQLite a
    /// writer is alone anyway.
    pub(crate) fn lock_rows<E: EntityTrait>(&self, select: Select<E>) -> Select<E> {
        match self.backend() {
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
