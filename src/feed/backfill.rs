//! What a subscriber has missed, or a snapshot, read from the table until it can go on live: steps
//! 1 to 3 of [`feed`](crate::feed)'s algorithm.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use migration::noun::NounSet;
use tokio::{sync::mpsc, time::sleep};

use crate::{
    domain::{
        bookmark::Bookmark,
        error::{Error, Result},
        event::EventKind,
        id::{ChangeId, Position},
    },
    feed::{
        builder_directory::BuilderDirectory,
        cursor,
        dispatcher::gap,
        event_filter::EventFilter,
        event_page::EventPage,
        handle::{BATCH_SIZE, Feed},
        snapshot::{Payer, Snapshot},
        snapshot_task::SnapshotPart,
    },
    store::{
        db::database::Db,
        event::{Event, EventObject},
        event_batch, event_bookmark, event_reach,
        sequencer::is_standby,
    },
};

const TOO_OLD: &str = "the feed does not reach back to this cursor";
const AHEAD: &str = "the cursor is ahead of the feed";
const OTHER_EVENT: &str = "the feed has another event in this cursor's place, as after a restore";

/// How long a standby may be behind a cursor, and the pause between two looks.
const STANDBY_PATIENCE: Duration = Duration::from_secs(5);
const STANDBY_PAUSE: Duration = Duration::from_millis(50);

/// Where a subscription begins.
#[derive(Clone, Debug)]
pub(crate) enum StartPosition {
    /// With the next event.
    Now,
    /// With the first event behind this cursor.
    After(String),
    /// With the present state of every matching object.
    Snapshot,
}

/// Reads the events that match a filter, in order.
#[derive(Debug)]
pub(crate) struct Backfill {
    feed: Feed,
    db: Db,
    filter: EventFilter,
    /// Everything up to here was read.
    at: Bookmark,
    /// See [`delivered`](Self::delivered).
    delivered: Option<Bookmark>,
    /// Events that were read and not yet taken.
    ready: EventPage,
    /// The pages of the snapshot that were not received yet.
    rest: Option<mpsc::Receiver<Result<SnapshotPart>>>,
    /// Changes behind `at` that the snapshot already showed.
    included: HashSet<ChangeId>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// There may be many events behind `at`, too many for the subscriber's queue.
    CatchingUp,
    /// Few events are left behind `at`: the handoff is due.
    CaughtUp,
    /// The dispatcher delivers what is behind this position.
    HandedOff(Position),
}

impl Feed {
    /// Begins to read the events that match, on a caller's account.
    ///
    /// # Errors
    /// Also `CursorExpired`, `Invalid` for the cursor, and those of `snapshot`.
    pub(crate) async fn backfill(
        &self,
        db: &Db,
        filter: EventFilter,
        start: StartPosition,
        payer: &dyn Payer,
    ) -> Result<Backfill> {
        self.expect_recorded(filter.nouns).await?;
        let mut backfill = match start {
            StartPosition::Now => {
                let at = self.newest_read_by(db).await?;
                let mut backfill = Backfill::new(self, filter, at);
                // `at` is the newest event's, so there is nothing to catch up with.
                backfill.phase = Phase::CaughtUp;
                backfill
            }
            StartPosition::After(cursor) => {
                // Without subscribers, many changes may have been written without a position.
                self.sequence_if_possible().await?;
                let at = self.resolve_cursor(db, &cursor, filter.nouns).await?;
                Backfill::new(self, filter, at)
            }
            StartPosition::Snapshot => {
                let snapshot = self.snapshot(db, &filter, payer).await?;
                Backfill::from_snapshot(self, filter, snapshot)
            }
        };
        backfill.db = db.clone();
        Ok(backfill)
    }

    /// The bookmark of a cursor behind which no event is missing.
    async fn resolve_cursor(&self, db: &Db, cursor: &str, nouns: NounSet) -> Result<Bookmark> {
        let at = cursor::parse(cursor, &self.epoch()?)?;
        let until = Instant::now() + STANDBY_PATIENCE;
        loop {
            match self.check_reach(db, at, nouns).await {
                // The primary's server gave the cursor.
                Err(Error::CursorExpired(AHEAD))
                    if Instant::now() < until && is_standby(db).await? =>
                {
                    sleep(STANDBY_PAUSE).await;
                }
                checked => {
                    checked?;
                    self.cache().require(at.position);
                    return Ok(at);
                }
            }
        }
    }

    /// Checks that the feed has the event of a bookmark, and everything behind it.
    async fn check_reach(&self, db: &Db, at: Bookmark, nouns: NounSet) -> Result<()> {
        // Most subscribers resume after a short break, and need no query.
        if self.dispatcher().recent_after(at).is_some() {
            return Ok(());
        }
        let found = event_bookmark::at(db, at.position).await?;
        let reach = event_reach::find(db).await?;
        match found {
            Some(found) if found == at => Ok(()),
            // Restored, or a failover lost what was committed, and positions were used again.
            Some(_) => Err(self.out_of_reach(OTHER_EVENT, nouns).await),
            // The database may have been restored from a backup older than the cursor.
            None if at.position > reach.newest => Err(self.out_of_reach(AHEAD, nouns).await),
            // The event was pruned, and none behind it.
            None if at.position == reach.floor => Ok(()),
            None => Err(self.out_of_reach(TOO_OLD, nouns).await),
        }
    }

    /// Why the feed does not reach back to a cursor: because it is gone itself, or this.
    async fn out_of_reach(&self, why: &'static str, nouns: NounSet) -> Error {
        // `detach` takes the events before their table: whoever lost them that way is told so.
        let refreshed = self.refresh_epoch().await;
        match refreshed.and_then(|()| self.check_recorded(nouns)) {
            Ok(()) => Error::CursorExpired(why),
            Err(error) => error,
        }
    }
}

impl Backfill {
    /// Reads the events behind a bookmark.
    pub(crate) fn new(feed: &Feed, filter: EventFilter, at: Bookmark) -> Self {
        Self {
            feed: feed.clone(),
            db: feed.0.db.clone(),
            filter,
            at,
            delivered: Some(at),
            ready: EventPage::default(),
            rest: None,
            included: HashSet::new(),
            phase: Phase::CatchingUp,
        }
    }

    fn from_snapshot(feed: &Feed, filter: EventFilter, snapshot: Snapshot) -> Self {
        Self {
            // Until the last event of the snapshot is taken, there is no position to resume from.
            delivered: None,
            ready: snapshot.page,
            rest: snapshot.rest,
            included: snapshot.included,
            ..Self::new(feed, filter, snapshot.bookmark)
        }
    }

    /// The next event; `None` when it is time for the handoff, and again when everything was read
    /// up to the handoff's position.
    ///
    /// # Errors
    /// Also `CursorExpired`, at a gap and where retention was faster, `SnapshotLagged`, and
    /// `OutOfMemory`.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.next_ready(usize::MAX) {
                return Ok(Some(event));
            }
            if let Some(EventObject::Gap(noun)) = self.ready.peek().map(|event| &event.object) {
                return Err(gap(*noun));
            }
            if let Some(rest) = &mut self.rest {
                // Without an error, the reader ends early only with the server.
                let part = rest.recv().await.ok_or(Error::Unavailable)??;
                self.ready = part.page;
                self.rest = self.rest.take().filter(|_| part.has_next);
                continue;
            }
            match self.phase {
                Phase::CatchingUp => {
                    // With less than a batch left, the queue can hold what is written meanwhile.
                    if self.read().await? < BATCH_SIZE {
                        self.phase = Phase::CaughtUp;
                    }
                }
                Phase::HandedOff(from) if from > self.at.position => {
                    // The dispatcher has read these events: if they are missing, they were pruned.
                    if self.read().await? == 0 {
                        return Err(self.feed.out_of_reach(TOO_OLD, self.filter.nouns).await);
                    }
                }
                Phase::CaughtUp | Phase::HandedOff(_) => {
                    // `at` may be past the last event taken: those in between do not match.
                    self.delivered = Some(self.at);
                    return Ok(None);
                }
            }
        }
    }

    /// The next event, if it was read already and has no more than so many bytes.
    pub(crate) fn next_ready(&mut self, max_bytes: usize) -> Option<Event> {
        let object = &self.ready.peek()?.object;
        if matches!(object, EventObject::Gap(_)) || object.event_bytes() > max_bytes {
            return None;
        }
        let event = self.ready.take()?;
        // A subscriber that resumed from the middle of a snapshot would miss its rest.
        let is_last = self.ready.is_empty() && self.rest.is_none();
        let is_resumable = event.kind != EventKind::Snapshot || is_last;
        self.delivered = is_resumable.then_some(event.bookmark);
        Some(event)
    }

    /// Leaves the events behind this position to the dispatcher.
    pub(crate) fn hand_off(&mut self, from: Position) {
        self.phase = Phase::HandedOff(from);
    }

    pub(crate) fn feed(&self) -> &Feed {
        &self.feed
    }

    pub(crate) fn filter(&self) -> &EventFilter {
        &self.filter
    }

    /// Everything up to here was read.
    pub(crate) fn at(&self) -> Bookmark {
        self.at
    }

    /// A subscriber that has taken every event so far has everything up to here, and may resume
    /// from here; `None` in the middle of a snapshot.
    pub(crate) fn delivered(&self) -> Option<Bookmark> {
        self.delivered
    }

    /// Reads the next events behind `at`. Returns how many positions it advanced, including those
    /// of events that do not match; a whole batch where their texts are so long that it was cut.
    async fn read(&mut self) -> Result<u64> {
        // The table has the included changes, the memory perhaps not yet: a handoff before them
        // would deliver them live as well.
        if self.included.is_empty()
            && let Some(advanced) = self.read_from_memory()?
        {
            return Ok(advanced);
        }
        let max_bytes = self.feed.batch_bytes();
        let batch = event_batch::after(&self.db, self.at, BATCH_SIZE, max_bytes).await?;
        // Checked after the read: what is not pruned by now was not missing from the batch.
        if !batch.is_whole || event_reach::find(&self.db).await?.floor > self.at.position {
            return Err(self.feed.out_of_reach(TOO_OLD, self.filter.nouns).await);
        }
        let Some(last) = batch.last else {
            return Ok(0);
        };
        self.feed.cache().require(last.position);
        let advanced = last.position.0.abs_diff(self.at.position.0);
        let builders = self.read_builders(&batch.events).await?;
        let (filter, included) = (&self.filter, &self.included);
        let is_wanted =
            |event: &Event| filter.matches(event, &builders) && !included.contains(&event.change);
        let wanted = batch.events.into_iter().filter(is_wanted).collect();
        self.ready = EventPage::reserve(&self.feed.0.memory, wanted)?;
        self.at = last;
        Ok(if batch.is_cut { BATCH_SIZE } else { advanced })
    }

    /// The builders of these events, if the filter asks for them by name or tag.
    async fn read_builders(&self, events: &[Event]) -> Result<BuilderDirectory> {
        let none = BuilderDirectory::default();
        if !self.filter.asks_for_labels() {
            return Ok(none);
        }
        BuilderDirectory::read(&self.db, &none.unknown(events)).await
    }

    /// Does the same without the database; `None` unless memory has every event behind `at`, and
    /// what the filter asks of their builders.
    fn read_from_memory(&mut self) -> Result<Option<u64>> {
        if self.filter.asks_for_labels() {
            return Ok(None);
        }
        let dispatcher = self.feed.dispatcher();
        let Some(recent) = dispatcher.recent_after(self.at) else {
            return Ok(None);
        };
        let builders = BuilderDirectory::default();
        let matching = recent.filter(|event| self.filter.matches(event, &builders));
        self.ready = EventPage::reserve(&self.feed.0.memory, matching.cloned().collect())?;
        let advanced = dispatcher.at.position.0.abs_diff(self.at.position.0);
        self.at = dispatcher.at;
        Ok(Some(advanced))
    }
}
