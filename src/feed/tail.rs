//! The one task that reads new events, once for all subscribers.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use migration::noun::{Noun, NounSet};
use tokio::time::{sleep, timeout};

use crate::{
    domain::{
        bookmark::Bookmark,
        error::{Error, Result},
    },
    feed::{
        builder_directory::BuilderDirectory,
        handle::{BATCH_SIZE, Feed},
        recent::MAX_BYTES,
    },
    store::{
        event::Event,
        event_batch,
        event_probe::{self, FeedNews, FeedProbe},
        sequencer::{Sequenced, is_standby},
    },
};

/// The feed is read this often even when nothing hints at a write.
const MAX_IDLE: Duration = Duration::from_secs(1);
/// The longest wait for the database before a warning.
const PATIENCE: Duration = Duration::from_secs(1);
/// The pause after a read that failed.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// How long the cache of rows is kept up after it was last asked.
const CACHE_REST: Duration = Duration::from_secs(1);

/// Reads and dispatches until the server stops. Sleeps while there are no subscribers and nobody
/// reads rows that may be kept.
pub(crate) async fn run(feed: Feed) {
    let stop = feed.0.stop.clone();
    stop.run_until_cancelled(Tail::new(feed).run()).await;
}

struct Tail {
    feed: Feed,
    /// What the last probe of the database found.
    probe: FeedProbe,
    /// How long nothing was read.
    idle: Duration,
    is_failing: bool,
    /// When it was last looked whether the cache is in use.
    cache_seen_at: Instant,
}

impl Tail {
    fn new(feed: Feed) -> Self {
        Self {
            feed,
            probe: FeedProbe::default(),
            idle: Duration::ZERO,
            is_failing: false,
            cache_seen_at: Instant::now(),
        }
    }

    async fn run(mut self) {
        loop {
            self.rest_cache();
            self.wait_for_followers().await;
            let is_due = self.wait_for_hint().await;
            let poll = Self::poll(&self.feed, &mut self.probe, is_due);
            match warn_while_waiting(&self.feed, poll).await {
                Ok(has_read) => {
                    self.is_failing = false;
                    self.feed.note_read();
                    if has_read {
                        self.idle = Duration::ZERO;
                    }
                }
                Err(error) => self.recover(&error).await,
            }
        }
    }

    /// Stops the cache where nobody has asked for a while.
    fn rest_cache(&mut self) {
        if self.cache_seen_at.elapsed() < CACHE_REST {
            return;
        }
        self.cache_seen_at = Instant::now();
        let cache = self.feed.cache();
        if !cache.take_wanted() && cache.is_on() {
            self.feed.stop_cache();
        }
    }

    async fn wait_for_followers(&self) {
        // A database that failed is polled until it answers, as `/readyz` reports the lag.
        while !self.is_failing && self.feed.dispatcher().subscribers.is_empty() {
            // Without subscribers nobody waits for it: the cache serves nothing where it lags.
            *self.feed.read_at() = None;
            if self.feed.is_cache_wanted() {
                return;
            }
            self.feed.0.wake.notified().await;
        }
    }

    /// Waits for a wake-up or the poll interval. Returns whether the feed must be read without a
    /// probe.
    async fn wait_for_hint(&mut self) -> bool {
        let cache = self.feed.cache();
        let interval = match (cache.is_on(), self.feed.is_cache_wanted()) {
            // What was seen is good for an interval: it is to be seen again before that is over.
            (true, _) => self.feed.0.config.poll() / 2,
            (false, true) if !self.is_failing => Duration::ZERO,
            (false, _) => self.feed.0.config.poll(),
        };
        let is_woken = timeout(interval, self.feed.0.wake.notified()).await.is_ok();
        if !self.feed.dispatcher().subscribers.is_empty() {
            // The lag of a new subscriber counts from here: before, nothing was to be read.
            let mut read_at = self.feed.read_at();
            read_at.get_or_insert_with(Instant::now);
        }
        self.idle += interval;
        is_woken || self.idle >= MAX_IDLE
    }

    /// Reads and dispatches all new events, if there may be any. Returns whether it has read.
    async fn poll(feed: &Feed, probe: &mut FeedProbe, is_due: bool) -> Result<bool> {
        if !feed.cache().is_on() && feed.is_cache_wanted() {
            feed.start_cache().await?;
        }
        let begun = Instant::now();
        // Only a probe shows that nothing else was committed.
        let is_probed = !is_due || feed.cache().is_on();
        let mut sequenced = is_probed.then_some(Sequenced::All);
        if is_probed {
            let position = feed.dispatcher().at.position;
            match event_probe::probe(&feed.0.db, position, probe).await? {
                FeedNews::None => {
                    feed.confirm_cache(begun);
                    if !is_due {
                        return Ok(false);
                    }
                }
                FeedNews::Some => {}
                FeedNews::Waiting => sequenced = Some(feed.sequence_batch().await?),
            }
        }
        loop {
            let from = feed.dispatcher().at;
            let batch =
                event_batch::after(&feed.0.db.watching(), from, BATCH_SIZE, MAX_BYTES).await?;
            let is_standby = batch.is_behind && is_standby(&feed.0.db).await?;
            // A standby that is behind the one that was read before will catch up.
            if batch.is_behind && is_standby {
                feed.stop_cache();
                return Ok(true);
            }
            if !batch.is_whole {
                Self::cut_off(feed, from).await?;
                return Ok(true);
            }
            let Some(last) = batch.last else {
                match sequenced {
                    Some(Sequenced::All) => feed.confirm_cache(begun),
                    Some(Sequenced::Oldest) => {
                        sequenced = Some(feed.sequence_batch().await?);
                        continue;
                    }
                    Some(Sequenced::Nothing) | None => {}
                }
                return Ok(true);
            };
            Self::dispatch(feed, from, &batch.events, last).await?;
            feed.note_read();
        }
    }

    /// Dispatches the events between two bookmarks.
    async fn dispatch(feed: &Feed, from: Bookmark, events: &[Event], last: Bookmark) -> Result<()> {
        let mut builders = None;
        loop {
            let unknown = {
                let mut dispatcher = feed.dispatcher();
                // All subscribers left during the read, and a new one set another bookmark: read
                // again from there.
                if dispatcher.at != from {
                    return Ok(());
                }
                let asks = dispatcher.subscribers.ask_for_labels();
                // Without events of builders it is not known when they change, and while nobody
                // asks nothing here is read anew.
                if !asks || feed.check_recorded(Noun::Builder.into()).is_err() {
                    dispatcher.builders.clear();
                }
                if !asks || builders.is_some() {
                    dispatcher.builders.update(builders.unwrap_or_default());
                    feed.0.metrics.feed_position.set(last.position.0);
                    // First, so that nobody who hears of an event reads its row as it was before.
                    feed.apply_to_cache(from, events, last);
                    dispatcher.dispatch(events, last);
                    return Ok(());
                }
                dispatcher.builders.unknown(events)
            };
            builders = Some(BuilderDirectory::read(&feed.0.db.watching(), &unknown).await?);
        }
    }

    /// Ends the subscriptions that have lost events behind this bookmark. The next subscriber sets
    /// the one from which to go on.
    async fn cut_off(feed: &Feed, from: Bookmark) -> Result<()> {
        // `detach` takes the events before their table: whoever lost them that way is told so.
        feed.refresh_epoch().await?;
        feed.stop_cache();
        let mut dispatcher = feed.dispatcher();
        if dispatcher.at == from && !dispatcher.subscribers.is_empty() {
            let gone = "the feed has lost events behind this cursor";
            tracing::error!(from = from.position.0, "{gone}; subscribers are cut off");
            dispatcher
                .subscribers
                .end(&Error::CursorExpired(gone), NounSet::ALL);
        }
        Ok(())
    }

    async fn recover(&mut self, error: &Error) {
        self.feed.stop_cache();
        // Once the feed itself is gone there is nothing to poll for.
        let refreshed = self.feed.refresh_epoch().await;
        // The failed poll may have probed already: a second probe would then find no news.
        self.probe = FeedProbe::default();
        if self.feed.read_at().is_none() {
            // Queries alone need it: they tell their callers what is wrong.
            tracing::debug!(%error, "the feed could not be read for the cache of rows");
            return sleep(RETRY_PAUSE).await;
        }
        self.is_failing = refreshed.is_err() || self.feed.is_attached();
        self.feed.0.metrics.feed_failures.inc();
        if matches!(error, Error::FileGone) {
            // It is in the log already, and what was read last may be out of date.
            self.feed.end(error);
        } else {
            tracing::warn!(%error, "the feed could not be read; it is read again");
            end_if_stale(&self.feed);
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Waits for a poll, and warns each second while a lock in the database holds it up.
async fn warn_while_waiting<T>(feed: &Feed, poll: impl Future<Output = T>) -> T {
    // Pinned, so that a timeout leaves the poll running.
    let mut poll = pin!(poll);
    loop {
        if let Ok(done) = timeout(PATIENCE, &mut poll).await {
            return done;
        }
        let seconds = feed.lag().as_secs();
        // It makes progress, or nobody listens.
        if seconds == 0 {
            continue;
        }
        tracing::warn!(seconds, "the feed waits for the database");
        end_if_stale(feed);
    }
}

/// Ends subscriptions that may be out of date. They can resume when the database is back.
fn end_if_stale(feed: &Feed) {
    if feed.is_stale() {
        feed.end(&Error::Unavailable);
    }
}
