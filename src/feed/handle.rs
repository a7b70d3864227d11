//! The handle to a database's change feed, and what its parts share.
//!
//! Where there is no feed, reads fail with `FeedDetached`; else with `Unavailable` or `Internal`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use migration::noun::NounSet;
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Notify, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    config::feed::FeedConfig,
    domain::{
        bookmark::Bookmark,
        error::{Error, ErrorCode, Result},
        id::ChangeId,
    },
    feed::{
        bookmark_reader::BookmarkReader, cursor, dispatcher::Dispatcher, epoch::FeedEpoch,
        sequencer::Sequencer,
    },
    memory::MemoryBudget,
    metrics::Metrics,
    store::{
        db::database::Db, event, event_bookmark, event_reach, feed_install::probe::find_feed,
        sequencer::Sequenced,
    },
};

/// How many events are read, or dropped, at a time; also how many a subscriber holds in memory
/// during its backfill, unless their texts are long.
pub(crate) const BATCH_SIZE: u64 = 500;

/// A batch is no smaller than this many bytes, however small the queues are.
const MIN_BATCH_BYTES: usize = 8_192;

/// How long a position is asked for where the database does not answer, and the pause in between.
const SEQUENCE_PATIENCE: Duration = Duration::from_secs(2);
const SEQUENCE_PAUSE: Duration = Duration::from_millis(50);

/// The change feed of a database. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Feed(pub(crate) Arc<FeedState>);

#[derive(Debug)]
pub(crate) struct FeedState {
    pub(crate) db: Db,
    pub(crate) config: FeedConfig,
    /// What queues may hold.
    pub(crate) memory: MemoryBudget,
    epoch: FeedEpoch,
    /// Held while the epoch is read, so that an older finding does not replace a newer one.
    epoch_turn: tokio::sync::Mutex<()>,
    dispatcher: Mutex<Dispatcher>,
    sequencer: Sequencer,
    bookmarks: BookmarkReader,
    newest_seen: Mutex<Option<Bookmark>>,
    /// When the tail last read events, or found none; `None` while there are no subscribers.
    read_at: Mutex<Option<Instant>>,
    pub(crate) metrics: Arc<Metrics>,
    /// Notified after a write, for a new subscriber, and where the cache is behind.
    pub(crate) wake: Arc<Notify>,
    pub(crate) clock: Clock,
    pub(crate) stop: CancellationToken,
    /// Where long snapshots are read.
    pub(crate) tasks: TaskTracker,
}

impl Feed {
    /// Opens the feed of a database. A Buildbot master's may have none yet: then later calls fail
    /// with `FeedDetached`.
    pub(crate) async fn open(
        db: Db,
        config: FeedConfig,
        clock: Clock,
        memory: MemoryBudget,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Result<Self> {
        let feed = Self(Arc::new(FeedState {
            wake: db.cache.wake.clone(),
            db,
            config,
            memory,
            epoch: FeedEpoch::default(),
            epoch_turn: tokio::sync::Mutex::default(),
            dispatcher: Mutex::default(),
            sequencer: Sequencer::default(),
            bookmarks: BookmarkReader::default(),
            newest_seen: Mutex::default(),
            read_at: Mutex::default(),
            metrics,
            clock,
            stop,
            tasks,
        }));
        feed.refresh_epoch().await?;
        Ok(feed)
    }

    /// The epoch as last read; `FeedDetached` or `FeedDenied` if there is no feed.
    pub(crate) fn epoch(&self) -> Result<Arc<str>> {
        self.0.epoch.get().map(|feed| feed.epoch)
    }

    /// Fails unless every change of these nouns is recorded, as far as is known.
    pub(crate) fn check_recorded(&self, nouns: NounSet) -> Result<()> {
        let missing = nouns.without(self.0.epoch.get()?.recorded);
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::NotRecorded(missing))
    }

    /// Whether the database has a feed, as far as is known.
    pub(crate) fn is_attached(&self) -> bool {
        self.epoch().is_ok()
    }

    /// Reads the epoch again, and ends the subscriptions whose feed is missing or replaced.
    pub(crate) async fn refresh_epoch(&self) -> Result<()> {
        let _turn = self.0.epoch_turn.lock().await;
        let found = find_feed(&self.0.db).await;
        // A failed read says nothing about the feed, so the known epoch stays.
        if let Err(error) = &found
            && error.code() != ErrorCode::FeedDetached
        {
            return Err(error.clone());
        }
        self.0.metrics.feed_attached.set(i64::from(found.is_ok()));
        let recorded = found.as_ref().map(|feed| feed.recorded);
        self.0.metrics.set_recorded(recorded.unwrap_or_default());
        if let Some((why, nouns)) = self.0.epoch.replace(found, !self.0.db.is_buildbots()) {
            self.stop_cache();
            self.dispatcher().subscribers.end(&why, nouns);
        }
        // It may have been asked for before there was a feed.
        if self.is_cache_wanted() && !self.cache().is_on() {
            self.wake();
        }
        Ok(())
    }

    /// Fails unless every change of these nouns is recorded. What is not may just have been
    /// attached, so the database is read.
    pub(crate) async fn expect_recorded(&self, nouns: NounSet) -> Result<()> {
        if self.check_recorded(nouns).is_err() {
            self.refresh_epoch().await?;
        }
        self.check_recorded(nouns)
    }

    /// The newest event's bookmark. No change that is committed by now has a later position.
    pub(crate) async fn newest(&self) -> Result<Bookmark> {
        self.newest_read_by(&self.0.db).await
    }

    /// The same, read on a caller's account.
    pub(crate) async fn newest_read_by(&self, db: &Db) -> Result<Bookmark> {
        self.expect_recorded(NounSet::default()).await?;
        self.sequence_if_possible().await?;
        let newest = event_bookmark::newest(db).await?;
        *self.0.newest_seen.lock() = Some(newest);
        self.cache().require(newest.position);
        Ok(newest)
    }

    /// A bookmark that was the newest event's not long ago, as far as is known.
    pub(crate) fn newest_seen(&self) -> Option<Bookmark> {
        let dispatcher = self.dispatcher();
        let live = dispatcher.is_live().then_some(dispatcher.at);
        live.or(*self.0.newest_seen.lock())
    }

    /// The cursor of a bookmark.
    pub(crate) fn cursor(&self, bookmark: Bookmark) -> String {
        // If the feed has just been detached, the cursor is one that no feed accepts.
        cursor::encode(&self.epoch().unwrap_or_default(), bookmark)
    }

    /// The bookmark of a change that was just committed; wakes the tail.
    ///
    /// # Errors
    /// `WrittenUnread`: the change is written, but its position is not known.
    pub(crate) async fn sequence(&self, change: ChangeId) -> Result<Bookmark> {
        let mut begun = Instant::now();
        loop {
            let left = self.sequence_batch().await;
            let is_behind = matches!(left, Ok(Sequenced::Oldest));
            let sequenced = match left {
                Ok(_) => self.0.bookmarks.of_change(&self.0.db, change).await,
                Err(error) => Err(error),
            };
            match sequenced {
                Ok(Some(bookmark)) => {
                    self.wake();
                    return Ok(bookmark);
                }
                // Those before it come first.
                Ok(None) if is_behind => begun = Instant::now(),
                // Where the database has become read-only since, another server gives it.
                Ok(None) if begun.elapsed() < SEQUENCE_PATIENCE => sleep(SEQUENCE_PAUSE).await,
                Ok(None) => return Err(Error::WrittenUnread),
                Err(Error::FeedDetached) => return self.find_pruned(change).await,
                // Perhaps connections alone were cut.
                Err(Error::Unavailable) if begun.elapsed() < SEQUENCE_PATIENCE => {
                    sleep(SEQUENCE_PAUSE).await;
                }
                Err(error) => {
                    tracing::warn!(%error, %change, "a change is written and has no place in the feed yet");
                    return Err(Error::WrittenUnread);
                }
            }
        }
    }

    /// The bookmark of a change that is not in the feed. It was pruned since, as where a mutation
    /// is repeated with its key: nothing can be resumed from there any more, nor from the position
    /// before all. Or else the file was overwritten, and what was written is not in it.
    async fn find_pruned(&self, change: ChangeId) -> Result<Bookmark> {
        let db = &self.0.db;
        if !db.needs_sequencing() && event_reach::find(db).await?.newest.0 < change.0 {
            db.lose_file();
            return Err(Error::WrittenUnread);
        }
        Ok(Bookmark::default())
    }

    /// Gives the changes that are committed by now their positions, the oldest first, a batch at
    /// most.
    pub(crate) async fn sequence_batch(&self) -> Result<Sequenced> {
        self.0.sequencer.pass(&self.0.db).await
    }

    /// Gives every change that is committed by now its position. Where the database takes no
    /// writes, another server gives them.
    pub(crate) async fn sequence_all(&self) -> Result<()> {
        while self.sequence_batch().await? == Sequenced::Oldest {}
        Ok(())
    }

    /// The same, for a reader about to begin: it may begin before changes that have no position
    /// yet, since their events come later.
    pub(crate) async fn sequence_if_possible(&self) -> Result<()> {
        match self.sequence_all().await {
            Err(Error::Unavailable) => Ok(()),
            done => done,
        }
    }

    /// Makes the tail read at once.
    pub(crate) fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// How many bytes of events a subscriber's backfill reads at a time. A snapshot holds two such
    /// pages: one is being taken, and one is ready.
    pub(crate) fn batch_bytes(&self) -> usize {
        (self.0.config.feed_queue_bytes / 2).max(MIN_BATCH_BYTES)
    }

    pub(crate) fn dispatcher(&self) -> MutexGuard<'_, Dispatcher> {
        self.0.dispatcher.lock()
    }

    /// How many queues the dispatcher fills: shared subscriptions, not each of their subscribers.
    pub(crate) fn subscriber_count(&self) -> usize {
        self.dispatcher().subscribers.len()
    }

    /// Ends every live subscription for this reason; subscribers learn where to resume.
    pub(crate) fn end(&self, why: &Error) {
        self.dispatcher().subscribers.end(why, NounSet::ALL);
    }

    /// When the newest event happened, in seconds since the epoch; `None` where there is none.
    pub(crate) async fn newest_at(&self) -> Result<Option<i64>> {
        if !self.is_attached() {
            return Ok(None);
        }
        event::newest_at(&self.0.db).await
    }

    pub(crate) fn read_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.read_at.lock()
    }

    /// Notes that the tail has read the feed, if only a part: what is read is not out of date.
    pub(crate) fn note_read(&self) {
        if let Some(at) = &mut *self.read_at() {
            *at = Instant::now();
        }
    }

    /// How long ago the tail last read the feed; zero while there are no subscribers.
    pub(crate) fn lag(&self) -> Duration {
        self.read_at().map_or(Duration::ZERO, |at| at.elapsed())
    }

    /// Whether the feed has been unreadable for so long that subscriptions must end.
    pub(crate) fn is_stale(&self) -> bool {
        self.lag() >= self.0.config.stale()
    }
}
