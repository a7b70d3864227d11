//! A transaction that reads one moment, on a caller's account.

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, IsolationLevel,
    QueryResult, Statement, TransactionTrait, prelude::async_trait,
};

use crate::{
    domain::error::Result,
    store::db::{
        bounded_rows::{BoundedRows, Bounds, ReadRow, read_bounded},
        database::Db,
        pool::abandoned::unless_abandoned,
        reader::{AbandonOnDrop, Turn, run_counted},
    },
};

/// A transaction that reads one moment, that of its first statement. Dropped, it ends, and a
/// statement that still runs is abandoned.
#[derive(Debug)]
pub(crate) struct ReadTransaction {
    /// A statement that runs keeps it.
    txn: Arc<DatabaseTransaction>,
    turn: Option<Arc<Turn>>,
    _abandon: AbandonOnDrop,
}

impl Db {
    /// Begins a transaction that reads; waits for the caller's turn, which it keeps to its end.
    pub(crate) async fn begin_reading(&self) -> Result<ReadTransaction> {
        // SQLite's read one moment by default.
        let level = self
            .needs_sequencing()
            .then_some(IsolationLevel::RepeatableRead);
        let reader = self.reader().await?;
        let abandon = AbandonOnDrop::default();
        let begin = reader.connections.begin_with_config(level, None);
        Ok(ReadTransaction {
            txn: Arc::new(unless_abandoned(abandon.0.clone(), begin).await?),
            turn: reader.turn,
            _abandon: abandon,
        })
    }
}

impl ReadTransaction {
    /// See [`read_bounded`].
    pub(crate) async fn read_bounded<T: Send + 'static>(
        &self,
        statement: Statement,
        bounds: Bounds,
        read: ReadRow<T>,
    ) -> Result<BoundedRows<T>, DbErr> {
        let txn = self.txn.clone();
        self.run(async move { read_bounded(&*txn, statement, bounds, read).await })
            .await
    }

    /// Ends it, and waits for that unless a statement still runs.
    pub(crate) async fn finish(self) -> Result<()> {
        match Arc::into_inner(self.txn) {
            Some(txn) => Ok(txn.commit().await?),
            None => Ok(()),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        statement: impl Future<Output = Result<T, DbErr>> + Send + 'static,
    ) -> Result<T, DbErr> {
        run_counted(self.turn.clone(), statement).await
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for ReadTransaction {
    fn get_database_backend(&self) -> DbBackend {
        self.txn.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let txn = self.txn.clone();
        self.run(async move { txn.execute_raw(statement).await })
            .await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let (txn, sql) = (self.txn.clone(), sql.to_owned());
        self.run(async move { txn.execute_unprepared(&sql).await })
            .await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let txn = self.txn.clone();
        self.run(async move { txn.query_one_raw(statement).await })
            .await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let txn = self.txn.clone();
        self.run(async move { txn.query_all_raw(statement).await })
            .await
    }
}
