//! The present state of every matching step, as the events that a subscription may begin with.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use crate::{
    domain::{
        bookmark::Bookmark,
        error::{Error, Result},
        event::EventKind,
        filter::Direction,
        id::ChangeId,
        step::StepField,
    },
    feed::{event_filter::EventFilter, handle::Feed},
    store::{
        db::database::Db,
        event::Event,
        snapshot::{StepSnapshot, read_snapshot},
    },
};

/// The steps of one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The newest event's at that moment.
    pub(crate) bookmark: Bookmark,
    pub(crate) events: VecDeque<Event>,
    /// Changes that the steps already show, but whose positions come after the snapshot's.
    pub(crate) included: HashSet<ChangeId>,
}

impl Feed {
    /// Reads the steps that match.
    ///
    /// # Errors
    /// `LimitExceeded` where they are more than the configuration allows.
    pub(crate) async fn snapshot(&self, db: &Db, filter: &EventFilter) -> Result<Snapshot> {
        let max = self.0.config.feed_snapshot_steps;
        let order = vec![(StepField::Stepid, Direction::Asc)];
        let (steps, builder) = (filter.step_filter(), filter.builderid);
        let StepSnapshot {
            bookmark,
            ahead,
            steps,
        } = read_snapshot(db, &steps, builder, &order, max).await?;
        if steps.more {
            return Err(Error::LimitExceeded {
                limit: "feed-snapshot-steps",
                max,
                asked: None,
                advice: "narrow `where`, such as to one build",
            });
        }
        // From here on the included changes have positions, so the backfill meets them, and leaves
        // them out, before the handoff.
        self.sequence_if_possible().await?;
        let now = self.0.clock.now();
        let events = steps.rows.into_iter().map(|step| Event {
            change: ChangeId::default(),
            bookmark,
            kind: EventKind::Snapshot,
            occurred_at: now,
            builderid: filter.builderid,
            step: Arc::new(step),
        });
        Ok(Snapshot {
            bookmark,
            events: events.collect(),
            included: ahead.into_iter().collect(),
        })
    }
}
