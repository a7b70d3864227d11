//! Drops at intervals what is kept for a time only.

use tokio::time::sleep;

use crate::{
    app::App,
    domain::error::{Error, Result},
    service::{idempotency::prune_keys, log_retention::LogRetention},
};

/// Drops old events, idempotency keys and logs until the server stops.
pub(crate) async fn run(app: App) {
    let pause = app.config.feed.prune_pause();
    let mut logs = LogRetention::default();
    // Only the pause is cancelled: the server waits for a pruning that has begun.
    while app.stop.run_until_cancelled(sleep(pause)).await.is_some() {
        // A full disk does not matter: what is dropped makes room.
        if !matches!(app.db.feed_writability(), Ok(()) | Err(Error::DiskFull)) {
            continue;
        }
        report("events", app.feed.prune().await);
        // A master's database has no keys, and its logs are the master's.
        if !app.db.is_buildbots() {
            report("idempotency keys", prune_keys(&app).await);
            report("logs", logs.prune(&app).await);
        }
    }
}

fn report(what: &str, pruned: Result<u64>) {
    match pruned {
        Ok(0) => {}
        Ok(pruned) => tracing::info!(pruned, "old {what} are dropped"),
        Err(error) => {
            tracing::warn!(%error, "old {what} could not be dropped; it is tried again");
        }
    }
}
