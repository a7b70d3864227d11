//! The one task that reads new events, once for all listeners, and puts each into the queues of those it concerns.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{BATCH, Feed};
use crate::{error::Result, model::id::Position, store::event};

/// Even when nothing hints at a write, the feed is read this often.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// The pause after a read that failed.
const RETRY: Duration = Duration::from_millis(200);

/// Reads and hands on until the server stops. While nobody listens it sleeps.
pub async fn run(feed: Feed) {
    let stop = feed.0.stop.clone();
    let work = async {
        let mut seen = None;
        let mut idle = Duration::ZERO;
        loop {
            while feed.hub().listeners.is_empty() {
                feed.0.wake.notified().await;
            }
            let poll = feed.0.config.poll();
            let hinted = tokio::time::timeout(poll, feed.0.wake.notified())
                .await
                .is_ok();
            idle += poll;
            match turn(&feed, hinted || idle >= AT_LEAST_EVERY, &mut seen).await {
                Ok(true) => idle = Duration::ZERO,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "the feed could not be read; it is read again");
                    seen = None;
                    sleep(RETRY).await;
                }
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

/// Reads, if there may be something to read; says whether it did.
async fn turn(feed: &Feed, must: bool, seen: &mut Option<i32>) -> Result<bool> {
    if !must {
        // Taken before the read: what is written in between changes it again.
        let version = event::data_version(&feed.0.db).await?;
        if seen.replace(version) == Some(version) {
            return Ok(false);
        }
    }
    loop {
        let from = feed.hub().position;
        let batch = event::after(&feed.0.db, from, BATCH).await?;
        let Some(last) = batch.last else {
            return Ok(true);
        };
        hand_on(feed, from, last, batch);
    }
}

fn hand_on(feed: &Feed, from: Position, last: Position, batch: event::Batch) {
    let mut hub = feed.hub();
    // All had left and somebody else came while this was read: read again from where that one stands.
    if hub.position != from {
        return;
    }
    hub.position = last;
    // A hole is something lost: retention overtook the tail, or the file was replaced.
    if !batch.is_whole {
        tracing::error!(
            from = from.0,
            to = last.0,
            "the feed has a hole; subscribers are cut off"
        );
        hub.listeners.clear();
    }
    for event in batch.events {
        let event = Arc::new(event);
        hub.listeners.retain(|_, listener| {
            // A queue that is full is closed: its subscriber hears the rest of it, then FEED_LAGGED.
            !listener.filter.matches(&event) || listener.queue.try_send(event.clone()).is_ok()
        });
    }
}
