//! What is called for each statement.

use std::{fmt, sync::Arc};

use sea_orm::DatabaseConnection;

use prometheus_client::metrics::histogram::Histogram;

use crate::metrics::{Histograms, labels::PoolLabels};

/// Called with the text of each statement, so that a test can count them.
pub(crate) type StatementCallback = Arc<dyn Fn(&str) + Send + Sync>;

/// Everything that observes statements. A connection takes a single callback, so all share it.
#[derive(Clone, Default)]
pub(crate) struct Observer {
    pub(crate) on_statement: Option<StatementCallback>,
    pub(crate) seconds: Option<Histograms<PoolLabels>>,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

impl Observer {
    /// Observes the statements of one pool from here on.
    pub(crate) fn observe(&self, pool: &'static str, connection: &mut DatabaseConnection) {
        let on_statement = self.on_statement.clone();
        let seconds: Option<Histogram> = self
            .seconds
            .as_ref()
            .map(|seconds| seconds.get_or_create_owned(&PoolLabels { pool }));
        connection.set_metric_callback(move |info| {
            if let Some(on_statement) = &on_statement {
                on_statement(&info.statement.sql);
            }
            if let Some(seconds) = &seconds {
                seconds.observe(info.elapsed.as_secs_f64());
            }
        });
    }
}
