//! The one task that reads new events, once for all listeners, and puts each into the queues of those it concerns.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    domain::{
        error::{Error, Result},
        id::Position,
    },
    feed::{BATCH, Feed, recent::RecentEvents},
    store::{
        event,
        event_probe::{self, FeedNews},
    },
};

/// Even when nothing hints at a write, the feed is read this often.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// The pause after a read that failed.
const RETRY: Duration = Duration::from_millis(200);

/// Reads and hands on until the server stops. While nobody listens it sleeps.
pub(crate) async fn run(feed: Feed) {
    let stop = feed.0.stop.clone();
    let work = async {
        let mut seen = event_probe::FeedProbe::default();
        let mut idle = Duration::ZERO;
        let mut is_failing = false;
        loop {
            // A database that did not answer is asked until it does, for `/readyz`.
            while !is_failing && feed.dispatcher().subscribers.is_empty() {
                *feed.read_at() = None;
                feed.0.wake.notified().await;
            }
            let poll = feed.0.config.poll();
            let hinted = tokio::time::timeout(poll, feed.0.wake.notified())
                .await
                .is_ok();
            feed.read_at().get_or_insert_with(Instant::now);
            idle += poll;
            let must = hinted || idle >= AT_LEAST_EVERY;
            match watched(&feed, turn(&feed, must, &mut seen)).await {
                Ok(read) => {
                    is_failing = false;
                    *feed.read_at() = Some(Instant::now());
                    if read {
                        idle = Duration::ZERO;
                    }
                }
                Err(error) => {
                    // Where the feed itself is gone there is nothing to wait for.
                    let looked = feed.look().await;
                    is_failing = looked.is_err() || feed.is_attached();
                    feed.0.metrics.feed_failures.inc();
                    tracing::warn!(%error, "the feed could not be read; it is read again");
                    tell_if_stale(&feed);
                    seen = event_probe::FeedProbe::default();
                    sleep(RETRY).await;
                }
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

/// Waits for a turn, and does not keep it to itself when that takes long: somebody may hold a lock.
async fn watched<T>(feed: &Feed, turn: impl Future<Output = T>) -> T {
    let mut turn = std::pin::pin!(turn);
    loop {
        if let Ok(done) = tokio::time::timeout(AT_LEAST_EVERY, &mut turn).await {
            return done;
        }
        let seconds = feed.lag().as_secs();
        tracing::warn!(seconds, "the feed waits for the database");
        tell_if_stale(feed);
    }
}

/// Whoever listens must know that what it has may be old; it resumes when the database is back.
fn tell_if_stale(feed: &Feed) {
    if feed.is_stale() {
        feed.dispatcher().subscribers.end(&Error::Unavailable);
    }
}

/// Reads, if there may be something to read; says whether it did.
async fn turn(feed: &Feed, must: bool, seen: &mut event_probe::FeedProbe) -> Result<bool> {
    if !must {
        let position = feed.dispatcher().position;
        match event_probe::probe(&feed.0.db, position, seen).await? {
            FeedNews::None => return Ok(false),
            FeedNews::Some => {}
            FeedNews::Waiting => feed.sequence_all().await?,
        }
    }
    loop {
        let from = feed.dispatcher().position;
        let batch = event::after(&feed.0.db.watching(), from, BATCH).await?;
        let Some(last) = batch.last else {
            return Ok(true);
        };
        dispatch(feed, from, last, &batch);
    }
}

fn dispatch(feed: &Feed, from: Position, last: Position, batch: &event::EventBatch) {
    let mut dispatcher = feed.dispatcher();
    // All had left and somebody else came while this was read: read again from where that one stands.
    if dispatcher.position != from {
        return;
    }
    dispatcher.position = last;
    feed.0.metrics.feed_position.set(last.0);
    // A hole is something lost: retention overtook the tail, or the file was replaced.
    if !batch.is_whole {
        tracing::error!(
            from = from.0,
            to = last.0,
            "the feed has a hole; subscribers are cut off"
        );
        let gone = "the feed has lost events behind this cursor";
        dispatcher.subscribers.end(&Error::CursorExpired(gone));
        dispatcher.recent = RecentEvents::behind(last);
        return;
    }
    for event in &batch.events {
        dispatcher.subscribers.dispatch(event);
        dispatcher.recent.push(event);
    }
}
