//! Connections to a database server that read rows by their keys for several callers at once.
//!
//! They stay out of the pool while they are in use: it tests a connection each time that it comes
//! back, which takes as long as such a read. What cannot be read here, for whatever reason, is left
//! to the pool, whose errors are those that callers are told.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use parking_lot::Mutex;
use sea_orm::{
    DatabaseConnection, DbBackend, DbErr, QueryResult, RuntimeErr, Statement, Values,
    sqlx::{
        self, AssertSqlSafe, Database, Executor, IntoArguments, MySql, Postgres,
        pool::PoolConnection,
    },
};
use sea_query_sqlx::SqlxValues;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tracing::Instrument;

use crate::store::{
    db::{bounded_rows::statement_span, observer::Observer},
    row::Row,
};

/// How many connections look up.
pub(crate) const LOOKUP_CONNECTIONS: u32 = 2;
/// How long a connection stays out of the pool, which tests it, renews it and knows if it idles.
const AWAY: Duration = Duration::from_secs(1);
/// How long a request waits for a turn: look-ups are short, unless somebody has locked a table.
const PATIENCE: Duration = Duration::from_millis(100);
/// How many bytes the rows of a statement may take: they are charged to nobody while they are read.
const MAX_BYTES: usize = 4 << 20;

/// The connections.
#[derive(Debug)]
pub(crate) struct LookupConnections {
    pool: DatabaseConnection,
    turns: Arc<Semaphore>,
    /// Those that nobody uses, and since when they are away; `None` once they are closed.
    idle: Mutex<Option<Vec<(Connection, Instant)>>>,
}

/// A turn at one of them.
#[derive(Debug)]
pub(crate) struct Lookup {
    connections: Arc<LookupConnections>,
    /// `None` after a statement that has not ended well.
    connection: Option<Connection>,
    since: Instant,
    /// A statement that runs keeps it, even if nobody waits for it any more.
    turn: Arc<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum Connection {
    Postgres(PoolConnection<Postgres>),
    MySql(PoolConnection<MySql>),
}

impl LookupConnections {
    /// Connections that this pool has beside those that it needs.
    pub(crate) fn new(pool: DatabaseConnection) -> Self {
        Self {
            pool,
            turns: Arc::new(Semaphore::new(LOOKUP_CONNECTIONS as usize)),
            idle: Mutex::new(Some(Vec::new())),
        }
    }

    /// Waits for a turn. `None` where that takes too long, or no connection is open and unused: the
    /// pool opens one for whoever reads alone then.
    pub(crate) async fn turn(self: &Arc<Self>) -> Option<Lookup> {
        let turn = timeout(PATIENCE, self.turns.clone().acquire_owned());
        let turn = turn.await.ok()?.ok()?;
        let idle = self.idle.lock().as_mut()?.pop();
        // Another one goes back to the pool here.
        let (connection, since) = match idle.filter(|(_, since)| since.elapsed() < AWAY) {
            Some(idle) => idle,
            None => (self.take()?, Instant::now()),
        };
        Some(Lookup {
            connections: self.clone(),
            connection: Some(connection),
            since,
            turn: Arc::new(turn),
        })
    }

    fn take(&self) -> Option<Connection> {
        Some(match self.pool.get_database_backend() {
            DbBackend::MySql => {
                Connection::MySql(self.pool.get_mysql_connection_pool().try_acquire()?)
            }
            _ => Connection::Postgres(self.pool.get_postgres_connection_pool().try_acquire()?),
        })
    }

    /// Gives the connections back, that the pool can be closed.
    pub(crate) fn close(&self) {
        self.idle.lock().take();
    }
}

impl Lookup {
    /// Every row of a query; `None` where the pool is to say why not.
    pub(super) async fn read<T: Send + 'static>(
        &mut self,
        statement: Statement,
        read: impl FnMut(Row<'_>) -> Result<(T, usize), DbErr> + Send + 'static,
        observer: &Observer,
    ) -> Option<Vec<T>> {
        // It goes back to the pool with whatever is unread, unless it is put back below.
        let (mut connection, turn) = (self.connection.take()?, self.turn.clone());
        let begun = Instant::now();
        let (span, sql) = (statement_span(&statement), statement.sql.clone());
        let reading = async move {
            let rows = connection.read(&statement, read).await;
            drop(turn);
            rows.map(|rows| (rows, connection))
        };
        let done = tokio::spawn(reading.instrument(span)).await;
        observer.inline_done(&sql, begun.elapsed());
        let done = done.unwrap_or_else(|error| Err(DbErr::Custom(error.to_string())));
        let (rows, connection) = done
            .inspect_err(|error| tracing::debug!(%error, "a shared look-up failed"))
            .ok()?;
        self.connection = Some(connection);
        Some(rows)
    }
}

impl Connection {
    async fn read<T>(
        &mut self,
        statement: &Statement,
        read: impl FnMut(Row<'_>) -> Result<(T, usize), DbErr>,
    ) -> Result<Vec<T>, DbErr> {
        match self {
            Self::Postgres(connection) => read_rows(&mut **connection, statement, read).await,
            Self::MySql(connection) => read_rows(&mut **connection, statement, read).await,
        }
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Some(idle) = &mut *self.connections.idle.lock()
        {
            idle.push((connection, self.since));
        }
    }
}

async fn read_rows<'c, DB, T>(
    connection: impl Executor<'c, Database = DB>,
    statement: &Statement,
    mut read: impl FnMut(Row<'_>) -> Result<(T, usize), DbErr>,
) -> Result<Vec<T>, DbErr>
where
    DB: Database,
    SqlxValues: IntoArguments<DB>,
    QueryResult: From<DB::Row>,
{
    let values = statement.values.clone();
    let values = SqlxValues(values.unwrap_or_else(|| Values(Vec::new())));
    let query = sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), values);
    let mut stream = query.fetch(connection);
    let (mut rows, mut all_bytes) = (Vec::new(), 0);
    let failed = |error: sqlx::Error| DbErr::Query(RuntimeErr::SqlxError(error.into()));
    while let Some(row) = stream.try_next().await.map_err(failed)? {
        let (row, bytes) = read(Row::Pooled(&row.into()))?;
        rows.push(row);
        all_bytes += size_of::<T>() + bytes;
        if all_bytes > MAX_BYTES {
            return Err(DbErr::Custom(format!("more than {MAX_BYTES} bytes")));
        }
    }
    Ok(rows)
}
