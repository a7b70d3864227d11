//! Drops the lines of old logs, as Buildbot's janitor does: their type becomes DELETED, and the
//! number of their lines stays.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::sleep;

use crate::{
    app::App,
    domain::{
        error::Result,
        id::{ChangeId, LogId, StepId},
    },
    store::{
        db::transaction::{Txn, Work},
        log_retention,
    },
};

/// How many logs are looked for at once.
const LOGS: u64 = 50;
/// How many chunks are deleted at once, so that no other writer waits for long.
const CHUNKS: u64 = 50;
/// The pause between two deletions, in which others write.
const PAUSE: Duration = Duration::from_millis(10);
const DAY: i64 = 86_400;

/// What was looked at before.
#[derive(Debug, Default)]
pub(crate) struct LogRetention {
    /// Every log of the steps up to here is dropped.
    dropped_up_to: StepId,
    /// What an earlier server has not dropped whole was dropped.
    has_resumed: bool,
}

/// Says in the table that the lines of a log are gone.
struct Drop(LogId);

impl Work<Option<ChangeId>> for Drop {
    fn run<'t>(&'t self, txn: &'t Txn) -> BoxFuture<'t, Result<Option<ChangeId>>> {
        Box::pin(log_retention::mark_deleted(txn, self.0))
    }
}

impl LogRetention {
    /// Drops the logs that are older, or more, than the configuration keeps. Returns how many.
    pub(crate) async fn prune(&mut self, app: &App) -> Result<u64> {
        let config = &app.config.log_retention;
        if !self.has_resumed {
            self.resume(app).await?;
        }
        let mut dropped = 0;
        if let Some(days) = config.log_days {
            dropped += self.drop_old(app, days).await?;
        }
        if let Some(max) = config.log_bytes {
            dropped += drop_too_many(app, max).await?;
        }
        Ok(dropped)
    }

    async fn resume(&mut self, app: &App) -> Result<()> {
        loop {
            let logs = log_retention::half_dropped(&app.db, LOGS).await?;
            if logs.is_empty() || app.stop.is_cancelled() {
                break;
            }
            for log in logs {
                delete_lines(app, log).await?;
            }
        }
        self.has_resumed = true;
        Ok(())
    }

    /// Drops the logs of steps that began so many days ago.
    async fn drop_old(&mut self, app: &App, days: i64) -> Result<u64> {
        let before = app.clock.now() - days * DAY;
        let newest = log_retention::newest_step_before(&app.db, before).await?;
        let Some(up_to) = newest.filter(|step| *step > self.dropped_up_to) else {
            return Ok(0);
        };
        let mut dropped = 0;
        loop {
            let behind = self.dropped_up_to;
            let logs = log_retention::of_steps_between(&app.db, behind, up_to, LOGS).await?;
            if logs.is_empty() {
                break;
            }
            for log in logs {
                if app.stop.is_cancelled() {
                    return Ok(dropped);
                }
                dropped += u64::from(drop_log(app, log).await?);
            }
        }
        self.dropped_up_to = up_to;
        Ok(dropped)
    }
}

/// Drops the oldest finished logs until the others take no more than so many bytes.
async fn drop_too_many(app: &App, max: u64) -> Result<u64> {
    let bytes = log_retention::stored_bytes(&app.db, None).await?;
    let mut excess = bytes.saturating_sub(max);
    let (mut dropped, mut after) = (0, LogId::default());
    while excess > 0 {
        let logs = log_retention::finished_after(&app.db, after, LOGS).await?;
        let Some(last) = logs.last() else {
            break;
        };
        after = *last;
        for log in logs {
            if excess == 0 || app.stop.is_cancelled() {
                return Ok(dropped);
            }
            let bytes = log_retention::stored_bytes(&app.db, Some(log)).await?;
            // Dropping a log without lines makes no room.
            if bytes > 0 {
                dropped += u64::from(drop_log(app, log).await?);
                excess = excess.saturating_sub(bytes);
            }
        }
    }
    Ok(dropped)
}

/// Drops the lines of a log. Whether they were not dropped yet.
async fn drop_log(app: &App, log: LogId) -> Result<bool> {
    let change = app.db.write(&Drop(log)).await?;
    if let Some(change) = change {
        app.feed.sequence(change).await?;
    }
    delete_lines(app, log).await?;
    Ok(change.is_some())
}

async fn delete_lines(app: &App, log: LogId) -> Result<()> {
    while log_retention::delete_chunks(&app.db, log, CHUNKS).await? == CHUNKS {
        if app.stop.is_cancelled() {
            break;
        }
        sleep(PAUSE).await;
    }
    Ok(())
}
