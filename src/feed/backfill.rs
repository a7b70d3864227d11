//! What a subscriber missed, or a snapshot, read from the table until it can go on live.
//!
//! `at` is the one position that matters: everything up to it was read.
//! 1. Read behind `at` until little is left. 2. Join those who hear live: they say from which position on they do.
//! 3. If that is ahead of `at`, read the rest in between. 4. What is heard live up to `at` was read already and is left out.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use crate::{
    domain::{
        error::{Error, Result},
        event::EventKind,
        filter::Direction,
        id::{ChangeId, Position},
        step::StepField,
    },
    feed::{BATCH, EventFilter, Feed, StartPosition},
    store::{
        event::{self, Event},
        event_reach,
        snapshot::{StepSnapshot, read_snapshot},
    },
};

const GONE: &str = "the feed does not reach back to this cursor";

/// Reads from the table.
#[derive(Debug)]
pub(crate) struct Backfill {
    feed: Feed,
    filter: EventFilter,
    at: Position,
    delivered: Option<Position>,
    ready: VecDeque<Event>,
    /// Changes that the snapshot shows and that have their places behind it.
    shown: HashSet<ChangeId>,
    until: ReadUntil,
}

/// How far it is read.
#[derive(Clone, Copy, Debug)]
enum ReadUntil {
    /// There may be much behind `at`, which would only wait in a queue.
    LittleIsLeft,
    /// It is time to join.
    Now,
    /// Behind this place it is heard live.
    Place(Position),
}

impl Feed {
    /// The events that match, from `start` on.
    ///
    /// # Errors
    /// `FeedDetached`, `CursorExpired`, `Invalid` for the cursor, `LimitExceeded` for the snapshot; else as every read.
    pub(crate) async fn backfill(
        &self,
        filter: EventFilter,
        start: StartPosition,
    ) -> Result<Backfill> {
        self.expect_feed().await?;
        Ok(match start {
            StartPosition::Now => {
                let at = self.position().await?;
                Backfill {
                    until: ReadUntil::Now,
                    ..Backfill::behind(self, filter, at)
                }
            }
            StartPosition::After(cursor) => {
                let at = self.reached(&cursor).await?;
                // While nobody listened, much may have been written that has no place yet.
                self.sequence_all().await?;
                Backfill::behind(self, filter, at)
            }
            StartPosition::Snapshot => {
                let (at, ready, shown) = snapshot(self, &filter).await?;
                Backfill {
                    delivered: None,
                    ready,
                    shown,
                    ..Backfill::behind(self, filter, at)
                }
            }
        })
    }

    /// The place of a cursor that the feed reaches back to.
    async fn reached(&self, cursor: &str) -> Result<Position> {
        let at = self.parse(cursor)?;
        if self.dispatcher().recent(at).is_some() {
            return Ok(at);
        }
        let reach = event_reach::find(&self.0.db).await?;
        if at < reach.floor {
            return Err(Error::CursorExpired(GONE));
        }
        if at > reach.newest {
            return Err(Error::CursorExpired("the cursor is ahead of the feed"));
        }
        Ok(at)
    }
}

async fn snapshot(
    feed: &Feed,
    filter: &EventFilter,
) -> Result<(Position, VecDeque<Event>, HashSet<ChangeId>)> {
    let max = feed.0.config.feed_snapshot_steps;
    let order = vec![(StepField::Stepid, Direction::Asc)];
    let StepSnapshot {
        position: at,
        ahead: shown,
        steps,
    } = read_snapshot(&feed.0.db, &filter.steps(), filter.builderid, &order, max).await?;
    if steps.more {
        return Err(Error::LimitExceeded {
            limit: "feed-snapshot-steps",
            max,
            asked: None,
            advice: "narrow `where`, such as to one build",
        });
    }
    // From here on they have places, so they are met, and left out, before others are joined.
    feed.sequence_all().await?;
    let now = feed.0.clock.now();
    let events = steps.rows.into_iter().map(|step| Event {
        change: ChangeId::default(),
        position: at,
        kind: EventKind::Snapshot,
        occurred_at: now,
        builderid: filter.builderid,
        step: Arc::new(step),
    });
    Ok((at, events.collect(), shown.into_iter().collect()))
}

impl Backfill {
    /// The events behind a place.
    pub(crate) fn behind(feed: &Feed, filter: EventFilter, at: Position) -> Self {
        Self {
            feed: feed.clone(),
            filter,
            at,
            delivered: Some(at),
            ready: VecDeque::new(),
            shown: HashSet::new(),
            until: ReadUntil::LittleIsLeft,
        }
    }

    /// The next event; none when it is time to join, and again when all was read up to where it was joined.
    ///
    /// # Errors
    /// `CursorExpired`, or as every read.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                // Who resumes from the middle of a snapshot would miss the rest of it.
                let is_place = event.kind != EventKind::Snapshot || self.ready.is_empty();
                self.delivered = is_place.then_some(event.position);
                return Ok(Some(event));
            }
            match self.until {
                ReadUntil::LittleIsLeft => {
                    if self.read().await? < BATCH {
                        self.until = ReadUntil::Now;
                    }
                }
                ReadUntil::Place(place) if place > self.at => {
                    if self.read().await? == 0 {
                        // Nothing behind `at`, although others have been there.
                        return Err(Error::CursorExpired(GONE));
                    }
                }
                ReadUntil::Now | ReadUntil::Place(_) => {
                    self.delivered = Some(self.at);
                    return Ok(None);
                }
            }
        }
    }

    /// Those who hear live were joined, for the events behind this place.
    pub(crate) fn hand_off(&mut self, from: Position) {
        self.until = ReadUntil::Place(from);
    }

    pub(crate) fn feed(&self) -> &Feed {
        &self.feed
    }

    pub(crate) fn filter(&self) -> &EventFilter {
        &self.filter
    }

    /// Everything up to here was read.
    pub(crate) fn at(&self) -> Position {
        self.at
    }

    /// Who has taken all events so far has everything up to here; none in the middle of a snapshot.
    pub(crate) fn delivered(&self) -> Option<Position> {
        self.delivered
    }

    /// The same as [`read`](Self::read), where what is behind `at` is still in memory.
    fn read_recent(&mut self) -> Option<u64> {
        let dispatcher = self.feed.dispatcher();
        let filter = &self.filter;
        let events = dispatcher
            .recent(self.at)?
            .filter(|event| filter.matches(event));
        self.ready.extend(events.cloned());
        let read = dispatcher.position.0.abs_diff(self.at.0);
        self.at = dispatcher.position;
        Some(read)
    }

    /// Reads the next events behind `at`; says how many places it went on, whether they matched or not.
    async fn read(&mut self) -> Result<u64> {
        // What a snapshot shows already may have been given its place a moment ago, and not be in memory yet.
        if self.shown.is_empty()
            && let Some(read) = self.read_recent()
        {
            return Ok(read);
        }
        let batch = event::after(&self.feed.0.db, self.at, BATCH).await?;
        // Asked after the read: if nothing behind `at` is gone by now, nothing was missing from what was read.
        if !batch.is_whole || event_reach::find(&self.feed.0.db).await?.floor > self.at {
            return Err(Error::CursorExpired(GONE));
        }
        let Some(last) = batch.last else {
            return Ok(0);
        };
        let read = last.0.abs_diff(self.at.0);
        self.at = last;
        let (filter, shown) = (&self.filter, &self.shown);
        let wanted = |event: &Event| filter.matches(event) && !shown.contains(&event.change);
        self.ready.extend(batch.events.into_iter().filter(wanted));
        Ok(read)
    }
}
