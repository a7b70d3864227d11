//! What is called for each statement.

use std::{fmt, sync::Arc, time::Duration};

use sea_orm::DatabaseConnection;

use prometheus_client::metrics::histogram::Histogram;

use crate::metrics::{
    Histograms,
    labels::{PoolLabels, WaitFor, WaitLabel, WaitLabels},
};

/// Called with the text of each statement, so that a test can count them.
pub(crate) type StatementCallback = Arc<dyn Fn(&str) + Send + Sync>;

/// Called with the text of a statement and how long it took.
type OnDone = Arc<dyn Fn(&str, Duration) + Send + Sync>;

/// Everything that observes statements. A connection takes a single callback, so all share it.
#[derive(Clone, Default)]
pub(crate) struct Observer {
    pub(crate) on_statement: Option<StatementCallback>,
    pub(crate) seconds: Option<Histograms<PoolLabels>>,
    pub(crate) wait_seconds: Option<Histograms<WaitLabels>>,
    pub(crate) commit_writes: Option<Histogram>,
    pub(super) on_inline: Option<OnDone>,
    pub(super) on_inline_write: Option<OnDone>,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

impl Observer {
    /// Observes how a caller's wait for its turn ended, and after how long.
    pub(crate) fn observe_wait(&self, outcome: WaitLabel, after: Duration) {
        if let Some(seconds) = &self.wait_seconds {
            let labels = WaitLabels::new(WaitFor::Reader, outcome);
            let histogram = seconds.get_or_create(&labels);
            histogram.observe(after.as_secs_f64());
        }
    }

    /// Observes a commit of this many writes on SQLite.
    pub(crate) fn observe_commit(&self, writes: usize) {
        if let Some(commit_writes) = &self.commit_writes {
            #[expect(clippy::cast_precision_loss, reason = "there are few")]
            commit_writes.observe(writes as f64);
        }
    }

    /// Observes the statements of one pool from here on.
    pub(crate) fn observe(&self, pool: &'static str, connection: &mut DatabaseConnection) {
        let on_done = self.on_done(pool);
        connection.set_metric_callback(move |info| on_done(&info.statement.sql, info.elapsed));
    }

    /// Observes what is read inline as statements of this pool from here on.
    pub(crate) fn observe_inline(&mut self, pool: &'static str) {
        self.on_inline = Some(self.on_done(pool));
    }

    /// Observes a statement that was read inline.
    pub(crate) fn inline_done(&self, sql: &str, time: Duration) {
        if let Some(on_done) = &self.on_inline {
            on_done(sql, time);
        }
    }

    /// Observes what is written inline as statements of this pool from here on.
    pub(crate) fn observe_inline_writes(&mut self, pool: &'static str) {
        self.on_inline_write = Some(self.on_done(pool));
    }

    /// Observes a statement that was written inline.
    pub(crate) fn inline_written(&self, sql: &str, time: Duration) {
        if let Some(on_done) = &self.on_inline_write {
            on_done(sql, time);
        }
    }

    fn on_done(&self, pool: &'static str) -> OnDone {
        let on_statement = self.on_statement.clone();
        let seconds: Option<Histogram> = self
            .seconds
            .as_ref()
            .map(|seconds| seconds.get_or_create_owned(&PoolLabels { pool }));
        Arc::new(move |sql, time| {
            if let Some(on_statement) = &on_statement {
                on_statement(sql);
            }
            if let Some(seconds) = &seconds {
                seconds.observe(time.as_secs_f64());
            }
        })
    }
}
