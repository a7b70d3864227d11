//! What is measured of a database: how long statements take, and how connections are used.

use std::sync::Arc;

use sea_orm::{DbBackend, sqlx};

use crate::{
    metrics::Metrics,
    store::db::{database::Db, observer::Observer},
};

/// The names of the pools in metrics.
const READ: &str = "read";
const SNAPSHOT: &str = "snapshot";
const WRITE: &str = "write";
const WATCH: &str = "watch";

/// How a pool of connections is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolStatus {
    /// What its connections do: read, snapshot, write or watch.
    pub(crate) pool: &'static str,
    /// How many are open.
    pub(crate) connections: u32,
    /// How many of them have nothing to do.
    pub(crate) idle: u32,
    /// How many there may be.
    pub(crate) limit: u32,
}

impl PoolStatus {
    fn of<D: sqlx::Database>(pool: &'static str, connections: &sqlx::Pool<D>) -> Self {
        Self {
            pool,
            connections: connections.size(),
            idle: connections.num_idle().try_into().unwrap_or(u32::MAX),
            limit: connections.options().get_max_connections(),
        }
    }
}

impl Db {
    /// Calls `f` for each statement that reads or writes, so that a test can count them.
    pub(crate) fn on_statement(&mut self, f: impl Fn(&str) + Send + Sync + 'static) {
        self.observer.on_statement = Some(Arc::new(f));
        self.observe();
    }

    /// Measures from here on how long statements take, and how long callers wait for their turn.
    pub(crate) fn measure(&mut self, metrics: &Metrics) {
        self.observer.seconds = Some(metrics.statement_seconds.clone());
        self.observer.wait_seconds = Some(metrics.wait_seconds.clone());
        self.observer.commit_writes = Some(metrics.commit_writes.clone());
        self.observe();
    }

    fn observe(&mut self) {
        self.observer.observe(READ, &mut self.reader);
        self.observer.observe_inline(READ);
        self.observer.observe_inline_writes(WRITE);
        self.observer.observe(SNAPSHOT, &mut self.snapshots);
        self.observer.observe(WRITE, &mut self.writer);
        // The watcher polls by time, which would make the counts of a test vary.
        let observer = Observer {
            on_statement: None,
            ..self.observer.clone()
        };
        observer.observe(WATCH, &mut self.watcher);
    }

    /// How the connections are used now.
    #[must_use]
    pub(crate) fn pools(&self) -> [PoolStatus; 4] {
        let backend = self.backend();
        [
            (READ, &self.reader),
            (SNAPSHOT, &self.snapshots),
            (WRITE, &self.writer),
            (WATCH, &self.watcher),
        ]
        .map(|(pool, connection)| match backend {
            DbBackend::Sqlite => PoolStatus::of(pool, connection.get_sqlite_connection_pool()),
            DbBackend::MySql => PoolStatus::of(pool, connection.get_mysql_connection_pool()),
            _ => PoolStatus::of(pool, connection.get_postgres_connection_pool()),
        })
    }
}
