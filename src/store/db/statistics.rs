//! What is measured of the database: how long statements take, and how its connections are used.

use std::{fmt, sync::Arc};

use prometheus_client::metrics::histogram::Histogram;
use sea_orm::{DatabaseConnection, DbBackend, sqlx};

use crate::{
    metrics::{Histograms, labels::PoolLabels},
    store::Db,
};

type Heard = Arc<dyn Fn(&str) + Send + Sync>;

/// What is told of each statement: a connection takes only one callback, so it has all of it.
#[derive(Clone, Default)]
pub(crate) struct Observer {
    text: Option<Heard>,
    seconds: Option<Histograms<PoolLabels>>,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

/// How a pool of connections is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolStatus {
    /// What its connections do: read, write or watch.
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
    /// Calls `f` for each statement of those who read and write, so that a test can count them.
    pub(crate) fn on_statement(&mut self, f: impl Fn(&str) + Send + Sync + 'static) {
        self.observer.text = Some(Arc::new(f));
        self.observe();
    }

    /// Measures from here on how long statements take.
    pub(crate) fn measure(&mut self, seconds: &Histograms<PoolLabels>) {
        self.observer.seconds = Some(seconds.clone());
        self.observe();
    }

    fn observe(&mut self) {
        let Observer { text, seconds } = self.observer.clone();
        for (pool, connection) in self.pools_mut() {
            // Nobody counts what is only looked at.
            let text = text.clone().filter(|_| pool != WATCH);
            let seconds: Option<Histogram> = seconds
                .as_ref()
                .map(|seconds| seconds.get_or_create_owned(&PoolLabels { pool }));
            connection.set_metric_callback(move |info| {
                if let Some(text) = &text {
                    text(&info.statement.sql);
                }
                if let Some(seconds) = &seconds {
                    seconds.observe(info.elapsed.as_secs_f64());
                }
            });
        }
    }

    fn pools_mut(&mut self) -> [(&'static str, &mut DatabaseConnection); 3] {
        [
            (READ, &mut self.reader),
            (WRITE, &mut self.writer),
            (WATCH, &mut self.watcher),
        ]
    }

    /// How the connections are used now.
    #[must_use]
    pub(crate) fn pools(&self) -> [PoolStatus; 3] {
        let backend = self.backend();
        [
            (READ, &self.reader),
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

const READ: &str = "read";
const WRITE: &str = "write";
const WATCH: &str = "watch";
