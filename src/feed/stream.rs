//! One subscriber's stream: replay from the table, then live from the tail.
//!
//! `at` is the one position that matters: everything up to it was delivered or did not match.
//! 1. Read behind `at` until nothing is left. 2. Join the tail, which hands on what lies behind its own position.
//! 3. If that is ahead of `at`, read the rest in between. 4. Take from the queue, leaving out what was read already.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{Stream, stream};

use super::{BATCH, EventFilter, Feed, Listening, Start};
use crate::{
    error::{Error, Result},
    model::{
        filter::{Direction, StepField},
        id::Position,
    },
    store::event::{self, Event, Kind},
};

struct Subscription {
    feed: Feed,
    filter: EventFilter,
    at: Position,
    ready: VecDeque<Event>,
    live: Option<Listening>,
}

pub(super) async fn open(
    feed: Feed,
    filter: EventFilter,
    start: Start,
) -> Result<impl Stream<Item = Result<Event>> + Send + use<>> {
    let mut ready = VecDeque::new();
    let at = match start {
        Start::Now => feed.position().await?,
        Start::After(cursor) => {
            let at = feed.parse(&cursor)?;
            let reach = event::reach(&feed.0.db).await?;
            if at < reach.floor {
                return Err(Error::CursorExpired(
                    "the feed does not reach back to this cursor",
                ));
            }
            if at > reach.newest {
                return Err(Error::CursorExpired("the cursor is ahead of the feed"));
            }
            at
        }
        Start::Snapshot => {
            let (at, steps) = snapshot(&feed, &filter).await?;
            ready = steps;
            at
        }
    };
    let subscription = Subscription {
        feed,
        filter,
        at,
        ready,
        live: None,
    };
    Ok(stream::try_unfold(subscription, |mut s| async move {
        s.next().await.map(|event| Some((event, s)))
    }))
}

async fn snapshot(feed: &Feed, filter: &EventFilter) -> Result<(Position, VecDeque<Event>)> {
    let max = feed.0.config.feed_snapshot_steps;
    let order = vec![(StepField::Stepid, Direction::Asc)];
    let (at, steps) =
        event::snapshot(&feed.0.db, &filter.steps(), filter.builderid, &order, max).await?;
    if steps.more {
        return Err(Error::LimitExceeded {
            limit: "feed-snapshot-steps",
            max,
            advice: "narrow `where`, such as to one build",
        });
    }
    let now = feed.0.clock.now();
    let events = steps.rows.into_iter().map(|step| Event {
        position: at,
        kind: Kind::Snapshot,
        occurred_at: now,
        builderid: filter.builderid,
        step: Arc::new(step),
    });
    Ok((at, events.collect()))
}

impl Subscription {
    async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let Some(live) = &mut self.live else {
                if !self.read().await? {
                    self.live = Some(self.feed.listen(self.filter.clone(), self.at));
                }
                continue;
            };
            if live.from > self.at {
                if !self.read().await? {
                    // Nothing behind `at` although the tail has been there: the events are gone.
                    return Err(Error::CursorExpired(
                        "the feed does not reach back to this cursor",
                    ));
                }
                continue;
            }
            // When the server stops this waits on: the transport ends with a code of its own, and a stream that
            // ended by itself would tell the client that there is nothing more to come.
            return match live.queue.recv().await {
                None => Err(Error::FeedLagged {
                    cursor: self.feed.cursor(self.at),
                }),
                Some(event) if event.position > self.at => {
                    self.at = event.position;
                    Ok((*event).clone())
                }
                Some(_) => continue,
            };
        }
    }

    /// Reads the next events behind `at`; says whether there were any, matching or not.
    async fn read(&mut self) -> Result<bool> {
        let batch = event::after(&self.feed.0.db, self.at, BATCH).await?;
        // Asked after the read: if nothing behind `at` is gone by now, nothing was missing from what was read.
        if event::reach(&self.feed.0.db).await?.floor > self.at {
            return Err(Error::CursorExpired(
                "the feed no longer reaches back to this cursor",
            ));
        }
        let Some(last) = batch.last else {
            return Ok(false);
        };
        self.at = last;
        let (events, filter) = (batch.events, &self.filter);
        self.ready
            .extend(events.into_iter().filter(|event| filter.matches(event)));
        Ok(true)
    }
}
