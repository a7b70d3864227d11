//! From a committed change to waiting subscribers: each event once, in order, no gap, or an error that says so.
//!
//! The database is the log: [`tail`] reads it behind its position and hands new events to those of [`hub`] whom they concern,
//! [`replay`] reads it from a subscriber's cursor on until it can join them. Waking is a hint; reading is the guarantee.

pub(crate) mod attachment;
pub(crate) mod backfill;
pub(crate) mod byte_queue;
pub(crate) mod dispatcher;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod recent;
pub(crate) mod sequencer;
pub(crate) mod tail;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::FeedConfig,
    domain::{
        error::{Error, Result},
        event::EventKind,
        filter::{Filter, Test, Value},
        id::{BuildId, BuilderId, Position, StepId},
        step::{NameOrNumber, StepField},
    },
    feed::dispatcher::Dispatcher,
    metrics::Metrics,
    store::{
        db::database::Db,
        event::{self, Event},
        event_reach,
    },
};

/// How many events are read, or dropped, at a time; also what a subscriber holds in memory while it is replayed to.
const BATCH: u64 = 500;
/// The pause between two batches that are dropped, in which others write: a Buildbot master has one thread for its SQLite file.
const BETWEEN_BATCHES: Duration = Duration::from_millis(10);

/// The change feed of a database.
#[derive(Clone, Debug)]
pub(crate) struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    config: FeedConfig,
    /// The feed's name in every cursor, or why there is none.
    epoch: Mutex<Result<Arc<str>>>,
    looking: tokio::sync::Mutex<()>,
    dispatcher: Mutex<Dispatcher>,
    sequencer: crate::feed::sequencer::Sequencer,
    /// When the feed was last read to its end; none while nobody listens.
    read_at: Mutex<Option<Instant>>,
    metrics: Arc<Metrics>,
    /// Something was written, or somebody listens.
    wake: Notify,
    clock: Clock,
    stop: CancellationToken,
}

/// Which events a subscriber asks for; what is none does not matter.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventFilter {
    pub(crate) builderid: Option<BuilderId>,
    pub(crate) buildid: Option<BuildId>,
    pub(crate) stepid: Option<StepId>,
    pub(crate) name_or_number: Option<NameOrNumber>,
    pub(crate) kinds: Option<Vec<EventKind>>,
    pub(crate) hidden: Option<bool>,
}

impl EventFilter {
    fn matches(&self, event: &Event) -> bool {
        let step = &event.step;
        self.buildid.is_none_or(|id| step.buildid == id)
            && self.stepid.is_none_or(|id| step.id == id)
            && self.builderid.is_none_or(|id| event.builderid == Some(id))
            && self
                .kinds
                .as_ref()
                .is_none_or(|kinds| kinds.contains(&event.kind))
            && self.hidden.is_none_or(|hidden| step.is_hidden() == hidden)
            && match &self.name_or_number {
                None => true,
                Some(NameOrNumber::Name(name)) => step.name == *name,
                Some(NameOrNumber::Number(number)) => step.number == *number,
            }
    }

    /// The steps whose present state a snapshot shows; `kinds` speaks of changes, so it is not asked here.
    fn steps(&self) -> Filter<StepField> {
        let int = |n: i32| Value::Int(n.into());
        let tests = [
            self.buildid
                .map(|id| (StepField::Buildid, Test::Eq(int(id.0)))),
            self.stepid
                .map(|id| (StepField::Stepid, Test::Eq(int(id.0)))),
            self.hidden.map(|hidden| {
                let zero = int(0);
                (
                    StepField::Hidden,
                    if hidden {
                        Test::Ne(zero)
                    } else {
                        Test::Eq(zero)
                    },
                )
            }),
            self.name_or_number.as_ref().map(NameOrNumber::test),
        ];
        Filter::All(
            tests
                .into_iter()
                .flatten()
                .map(|(field, test)| Filter::Field(field, test))
                .collect(),
        )
    }
}

/// Where a subscription begins.
#[derive(Clone, Debug)]
pub(crate) enum StartPosition {
    /// With the next event.
    Now,
    /// With the first event behind this cursor.
    After(String),
    /// With the present state of every matching step.
    Snapshot,
}

impl Feed {
    /// The feed of this database; a Buildbot master's that is not attached has none, and says so when asked.
    ///
    /// # Errors
    /// `Unavailable`, or `Internal`.
    pub(crate) async fn open(
        db: Db,
        config: FeedConfig,
        clock: Clock,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Result<Self> {
        let feed = Self(Arc::new(Inner {
            db,
            config,
            epoch: Mutex::new(Err(Error::FeedDetached)),
            looking: tokio::sync::Mutex::default(),
            dispatcher: Mutex::default(),
            sequencer: crate::feed::sequencer::Sequencer::default(),
            read_at: Mutex::default(),
            metrics,
            wake: Notify::new(),
            clock,
            stop,
        }));
        feed.look().await?;
        Ok(feed)
    }

    /// Has the feed read at once.
    fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// The newest event's place: all that is committed by now is no later.
    ///
    /// # Errors
    /// `FeedDetached` where there is no feed; else as every read.
    pub(crate) async fn position(&self) -> Result<Position> {
        self.expect_feed().await?;
        self.sequence_all().await?;
        Ok(event_reach::find(&self.0.db).await?.newest)
    }

    /// The opaque text of a place: good on every server of this database, and later ones sort behind earlier ones.
    #[must_use]
    pub(crate) fn cursor(&self, position: Position) -> String {
        cursor_of(&self.epoch().unwrap_or_default(), position)
    }

    /// The place that a cursor names.
    ///
    /// # Errors
    /// `Invalid` where it is no cursor at all, `CursorExpired` where it is one of another database.
    fn parse(&self, cursor: &str) -> Result<Position> {
        place_of(cursor, &self.epoch()?)
    }

    /// How many listen: groups of subscribers, not each of them.
    #[must_use]
    pub(crate) fn subscriber_count(&self) -> usize {
        self.dispatcher().subscribers.len()
    }

    /// Ends what everybody hears live, for this reason; they are told where to resume.
    pub(crate) fn end(&self, why: &Error) {
        self.dispatcher().subscribers.end(why);
    }

    /// Drops events that are older, or more, than the configuration keeps; in small batches, so that no other
    /// writer waits for long. Says how many went.
    ///
    /// # Errors
    /// `Unavailable`, or `Internal`.
    pub(crate) async fn prune(&self) -> Result<u64> {
        if !self.is_attached() {
            return Ok(0);
        }
        let config = &self.0.config;
        let before = self.0.clock.now() - config.feed_keep_seconds;
        // Also where nobody listens: what has no place yet cannot grow old.
        self.sequence_all().await?;
        let mut pruned = 0;
        loop {
            let up_to = Position(self.position().await?.0 - config.feed_keep_events);
            let gone = event_reach::prune(&self.0.db, up_to, before, BATCH).await?;
            pruned += gone;
            if gone < BATCH {
                return Ok(pruned);
            }
            sleep(BETWEEN_BATCHES).await;
        }
    }

    /// When the newest event happened, in seconds since the epoch; none where there is none.
    ///
    /// # Errors
    /// As every read: `Unavailable`, or `Internal`.
    pub(crate) async fn newest_at(&self) -> Result<Option<i64>> {
        if !self.is_attached() {
            return Ok(None);
        }
        event::newest_at(&self.0.db).await
    }

    /// How long ago the feed was last read to its end; nothing while nobody listens.
    #[must_use]
    pub(crate) fn lag(&self) -> Duration {
        self.read_at().map_or(Duration::ZERO, |at| at.elapsed())
    }

    /// The feed could not be read for so long that subscribers are told.
    #[must_use]
    pub(crate) fn is_stale(&self) -> bool {
        self.lag() >= self.0.config.stale()
    }

    fn read_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0
            .read_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// There is a feed; where none is known, it is looked for: it may have been put in a moment ago.
    async fn expect_feed(&self) -> Result<()> {
        if !self.is_attached() {
            self.look().await?;
        }
        self.epoch().map(drop)
    }

    fn known(&self) -> MutexGuard<'_, Result<Arc<str>>> {
        self.0.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dispatcher(&self) -> MutexGuard<'_, Dispatcher> {
        // The hub is whole between any two of its statements, so a panic elsewhere does not spoil it.
        self.0
            .dispatcher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text of a place in the feed of this name.
fn cursor_of(epoch: &str, position: Position) -> String {
    format!("{epoch}{:016x}", position.0)
}

/// The place that a cursor of the feed of this name has in it.
fn place_of(cursor: &str, epoch: &str) -> Result<Position> {
    let refused = || Error::invalid("after", format!("a cursor of this feed, got {cursor:?}"));
    let split = cursor.len().checked_sub(16).ok_or_else(refused)?;
    let (of, place) = cursor.split_at_checked(split).ok_or_else(refused)?;
    let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hex(cursor) {
        return Err(refused());
    }
    let position = i64::from_str_radix(place, 16).map_err(|_| refused())?;
    if of == epoch {
        return Ok(Position(position));
    }
    if of.len() == epoch.len() {
        return Err(Error::CursorExpired("the cursor is of another database"));
    }
    Err(refused())
}
