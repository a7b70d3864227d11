//! Reading on behalf of a caller: its statements wait for its turn, are counted for as long as they
//! run, even if nobody waits for them any more, and their time is charged.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    prelude::async_trait,
};
use tokio::{sync::Mutex, task::consume_budget, time::Instant};
use tracing::Instrument;

use crate::{
    domain::{
        caller_key::CallerKey,
        error::{Error, Result},
    },
    metrics::labels::WaitLabel,
    store::{
        db::{
            bounded_rows::{BoundedRows, Bounds, read_bounded, read_counted},
            database::Db,
            fair_queue::Permit,
            inline_reader::{InlineReaders, InlineRows},
            lookup::Lookup,
            observer::Observer,
            pool::abandoned::unless_abandoned,
            read_account::{ReadAccount, WaitedFor},
        },
        row::Row,
    },
};

/// Reading inline for so many microseconds takes a unit of a task's budget, of which tokio gives it
/// 128 at a time.
const SHARED_MICROS: u128 = 50;
const MAX_SPENT: u128 = 128;

/// Connections that read, for a caller whose turn it is or for the server itself.
#[derive(Debug)]
pub(crate) struct Reader<'db> {
    pub(super) connections: &'db DatabaseConnection,
    pub(super) turn: Option<Arc<Turn>>,
    /// What short statements are read with, on SQLite.
    inline: Option<&'db InlineReaders>,
    /// What alone reads, where somebody's turn is shared.
    lookup: Option<&'db Mutex<Lookup>>,
    observer: &'db Observer,
}

/// A caller's turn.
#[derive(Debug)]
pub(super) struct Turn {
    account: Arc<ReadAccount>,
    _permit: Permit<CallerKey>,
}

impl Db {
    /// The same database, read on a caller's account.
    #[must_use]
    pub(crate) fn for_caller(&self, account: Arc<ReadAccount>) -> Self {
        Self {
            account: Some(account),
            ..self.clone()
        }
    }

    /// The connections for the reads of one statement; waits for the caller's turn.
    ///
    /// # Errors
    /// `FileGone`.
    pub(crate) async fn reader(&self) -> Result<Reader<'_>> {
        self.last_seen()?;
        let turn = match &self.account {
            // Boxed, so that reads of the server itself do not hold it.
            Some(account) => Some(Arc::new(Box::pin(self.turn(account)).await?)),
            None => None,
        };
        Ok(Reader {
            connections: &self.reader,
            turn,
            inline: self.inline.as_deref(),
            lookup: self.lookup.as_deref(),
            observer: &self.observer,
        })
    }

    async fn turn(&self, account: &Arc<ReadAccount>) -> Result<Turn> {
        let wait = ReaderWait {
            db: self,
            account,
            begun: Instant::now(),
            is_served: false,
        };
        let permit = self.queue.acquire(account.key().clone()).await;
        let permit = permit.map_err(|_| Error::Busy)?;
        wait.served();
        Ok(Turn {
            account: account.clone(),
            _permit: permit,
        })
    }
}

/// Observes how a wait for a turn ends.
struct ReaderWait<'w> {
    db: &'w Db,
    account: &'w ReadAccount,
    begun: Instant,
    is_served: bool,
}

impl ReaderWait<'_> {
    fn served(mut self) {
        self.is_served = true;
    }
}

impl Drop for ReaderWait<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let outcome = if self.is_served {
            WaitLabel::Served
        } else {
            let own = self.db.queue.held_by(self.account.key()) > 0;
            let waited_for = if own {
                WaitedFor::Own
            } else {
                WaitedFor::Others
            };
            if self.account.give_up(waited_for, now) {
                WaitLabel::TimedOut
            } else {
                WaitLabel::Left
            }
        };
        self.db.observer.observe_wait(outcome, now - self.begun);
    }
}

impl Reader<'_> {
    /// The rows of a query within these bounds. `read` may be asked twice for a row.
    pub(crate) async fn read_bounded<T: Send + 'static>(
        &self,
        statement: Statement,
        bounds: Bounds,
        read: fn(Row<'_>) -> Result<(T, usize), DbErr>,
    ) -> Result<BoundedRows<T>, DbErr> {
        if let Some(found) = self.read_inline(&statement, bounds, read).await {
            return Ok(BoundedRows {
                rows: found.rows,
                is_cut: found.is_cut,
            });
        }
        let read = move |row: &QueryResult| read(Row::Pooled(row));
        Box::pin(self.read_pooled_bounded(statement, bounds, read)).await
    }

    /// The same, by a connection of the pool.
    pub(crate) async fn read_pooled_bounded<T: Send + 'static>(
        &self,
        statement: Statement,
        bounds: Bounds,
        read: impl FnMut(&QueryResult) -> Result<(T, usize), DbErr> + Send + 'static,
    ) -> Result<BoundedRows<T>, DbErr> {
        self.run(|db| async move { read_bounded(&db, statement, bounds, read).await })
            .await
    }

    /// What can be read inline; the caller is charged for it.
    async fn read_inline<T>(
        &self,
        statement: &Statement,
        bounds: Bounds,
        read: impl FnMut(Row<'_>) -> Result<(T, usize), DbErr>,
    ) -> Option<InlineRows<T>> {
        let begun = Instant::now();
        let found = self.inline?.read(statement, bounds, read);
        let time = begun.elapsed();
        if found.is_some() {
            self.observer.inline_done(&statement.sql, time);
        }
        if let Some(turn) = &self.turn {
            turn.account.add(begun.elapsed());
        }
        share_thread(time).await;
        found
    }

    /// Every row of a query. `read` says how to read one, and how many bytes its texts take; it may
    /// be asked twice for a row.
    ///
    /// # Errors
    /// The caller would hold too much memory.
    pub(crate) async fn read_all<T: Send + 'static>(
        &self,
        statement: Statement,
        mut read: impl FnMut(Row<'_>) -> Result<(T, usize), DbErr> + Send + 'static,
    ) -> Result<Vec<T>> {
        if let Some(lookup) = self.lookup {
            let mut lookup = lookup.lock().await;
            let rows = lookup.read(statement, read, self.observer).await;
            // Not told to anybody: whoever asked reads alone.
            return rows.ok_or(Error::Busy);
        }
        if let Some(found) = self.read_inline(&statement, Bounds::NONE, &mut read).await {
            let account = self.turn.as_ref().map(|turn| &turn.account);
            account.map_or(Ok(()), |account| account.hold_rows(found.bytes))?;
            return Ok(found.rows);
        }
        // Boxed, so that what was read inline does not hold it.
        Box::pin(self.read_pooled(statement, read)).await
    }

    /// Every row of a query, by a connection of the pool. `read` is asked once for each.
    ///
    /// # Errors
    /// The caller would hold too much memory.
    pub(crate) async fn read_pooled<T: Send + 'static>(
        &self,
        statement: Statement,
        mut read: impl FnMut(Row<'_>) -> Result<(T, usize), DbErr> + Send + 'static,
    ) -> Result<Vec<T>> {
        let account = self.turn.as_ref().map(|turn| turn.account.clone());
        let read = move |row: &QueryResult| read(Row::Pooled(row));
        self.run(|db| async move { read_counted(&db, statement, account.as_deref(), read).await })
            .await?
    }

    async fn run<T, F>(&self, statement: impl FnOnce(DatabaseConnection) -> F) -> Result<T, DbErr>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DbErr>> + Send + 'static,
    {
        run_counted(self.turn.clone(), statement(self.connections.clone())).await
    }
}

/// Runs a statement. One of a caller is a task of its own, since it holds its connection to its
/// end, even if nobody waits for that.
pub(super) async fn run_counted<T: Send + 'static>(
    turn: Option<Arc<Turn>>,
    statement: impl Future<Output = Result<T, DbErr>> + Send + 'static,
) -> Result<T, DbErr> {
    let Some(turn) = turn else {
        return statement.await;
    };
    // Dropped if this future is, before the statement has ended.
    let abandon = AbandonOnDrop::default();
    let counted = async move {
        let begun = Instant::now();
        let done = statement.await;
        // Nobody is charged for a database that is away.
        if !matches!(done, Err(DbErr::ConnectionAcquire(_) | DbErr::Conn(_))) {
            turn.account.add(begun.elapsed());
        }
        done
    };
    let counted = unless_abandoned(abandon.0.clone(), counted);
    match tokio::spawn(counted.in_current_span()).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(DbErr::Custom(error.to_string())),
    }
}

/// Lets other tasks have the thread, after a task has read on it for some milliseconds in a row.
async fn share_thread(time: Duration) {
    // A task that has spent all of its budget comes back when others had their turn.
    let spent = time.as_micros() / SHARED_MICROS;
    for _ in 0..spent.min(MAX_SPENT) {
        consume_budget().await;
    }
}

/// Tells a statement that nobody waits for it any more.
#[derive(Debug, Default)]
pub(super) struct AbandonOnDrop(pub(super) Arc<AtomicBool>);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Reader<'_> {
    fn get_database_backend(&self) -> DbBackend {
        self.connections.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.run(|db| async move { db.execute_raw(statement).await })
            .await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = sql.to_owned();
        self.run(|db| async move { db.execute_unprepared(&sql).await })
            .await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.run(|db| async move { db.query_one_raw(statement).await })
            .await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.run(|db| async move { db.query_all_raw(statement).await })
            .await
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::gauge::Gauge;
    use tokio::{sync::mpsc, time::timeout};

    use super::*;
    use crate::{
        config::database::DatabaseConfig,
        memory::MemoryBudget,
        store::db::connect::{PendingMigrations, connect},
    };

    /// Ends only if it is stopped.
    const ENDLESS: &str =
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT COUNT(*) FROM c";
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_statement_that_nobody_waits_for_is_stopped_and_charged() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("new.sqlite");
        let config = DatabaseConfig::of_test_file(&file);
        let db = connect(&config, PendingMigrations::Apply).await;
        let db = db.expect("a database");
        let (charge, mut charged) = mpsc::unbounded_channel();
        let key = CallerKey::Token("t".into());
        let memory = MemoryBudget::new(None, 0, &Gauge::default());
        let account = ReadAccount::new(&key, &memory, move |millis| {
            let _ = charge.send(millis);
        });
        let db = db.for_caller(Arc::new(account));
        let read = async |sql: &str| {
            let reader = db.reader().await.expect("a turn");
            let statement = Statement::from_string(DbBackend::Sqlite, sql);
            reader.query_one_raw(statement).await
        };
        let endless = timeout(Duration::from_millis(200), read(ENDLESS)).await;
        endless.expect_err("it was still running");
        let next = timeout(PATIENCE, read("SELECT 1")).await;
        next.expect("a turn").expect("an answer");
        let millis = charged.recv().await.expect("a charge");
        assert!(millis >= 100, "{millis}");
    }
}
