//! The present state of every matching step, as the events that a subscription may begin with.
//!
//! A snapshot of one page is read at once and holds nothing. A longer one waits for its turn, and a
//! task then reads on in the same transaction, a page ahead of the client at most.

use std::{any::Any, collections::HashSet, sync::Arc};

use futures_util::future::BoxFuture;
use sea_orm::DatabaseConnection;
use tokio::sync::mpsc;

use crate::{
    domain::{
        bookmark::Bookmark,
        error::{Error, Result},
        event::EventKind,
        id::{BuilderId, ChangeId},
    },
    feed::{
        event_filter::EventFilter,
        event_page::EventPage,
        handle::Feed,
        snapshot_task::{SnapshotPart, SnapshotTask},
    },
    store::{
        event::Event,
        snapshot::{SnapshotPage, SnapshotReader},
        step::EVENT_BYTES,
    },
};

/// The caller at whose expense a subscription reads the table.
pub(crate) trait Payer: Send + Sync {
    /// Takes the points for so many events of a snapshot.
    ///
    /// # Errors
    /// `RateLimited`.
    fn spend(&self, events: u64) -> Result<()>;

    /// Charges the points for so many events that were read already.
    fn charge(&self, events: u64);

    /// Waits for the caller's turn to read a long snapshot.
    fn turn(&self) -> BoxFuture<'_, Turn>;
}

/// A caller's turn, which lasts until this is dropped.
pub(crate) type Turn = Box<dyn Any + Send + Sync>;

/// The steps of one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The newest event's at that moment.
    pub(crate) bookmark: Bookmark,
    /// The first steps.
    pub(crate) page: EventPage,
    /// The other pages; `None` if there are none.
    pub(crate) rest: Option<mpsc::Receiver<Result<SnapshotPart>>>,
    /// Changes that the steps already show, but whose positions come after the snapshot's.
    pub(crate) included: HashSet<ChangeId>,
}

impl Feed {
    /// Reads the steps that match.
    ///
    /// # Errors
    /// `LimitExceeded` where they are more than the configuration allows, and `RateLimited`.
    pub(crate) async fn snapshot(
        &self,
        filter: &EventFilter,
        payer: &dyn Payer,
    ) -> Result<Snapshot> {
        let (reader, page) = self.begin_snapshot(self.0.db.reader()?, filter).await?;
        let count = if page.has_next {
            self.count_snapshot(&reader).await?
        } else {
            self.limit_snapshot(page.steps.len() as u64)?
        };
        payer.spend(count)?;
        if !page.has_next {
            return self.first_part(reader, page, filter.builderid, None).await;
        }
        // It waits with nothing in its hands, and begins anew at a later moment.
        drop(page);
        reader.finish().await?;
        let turn = payer.turn().await;
        let slot = self.0.db.snapshot_slots.clone().acquire_owned().await;
        let slot = slot.map_err(Error::internal)?;
        let (reader, page) = self.begin_snapshot(&self.0.db.snapshots, filter).await?;
        self.count_snapshot(&reader).await?;
        let held: Turn = Box::new((turn, slot));
        self.first_part(reader, page, filter.builderid, Some(held))
            .await
    }

    async fn begin_snapshot(
        &self,
        connection: &DatabaseConnection,
        filter: &EventFilter,
    ) -> Result<(SnapshotReader, SnapshotPage)> {
        let page_rows = (self.batch_bytes() / EVENT_BYTES) as u64;
        let (steps, builder) = (filter.step_filter(), filter.builderid);
        let db = &self.0.db;
        let mut reader = SnapshotReader::begin(db, connection, &steps, builder, page_rows).await?;
        let page = reader.next_page(self.batch_bytes()).await?;
        Ok((reader, page))
    }

    async fn count_snapshot(&self, reader: &SnapshotReader) -> Result<u64> {
        let count = reader.count(self.0.config.feed_snapshot_steps).await?;
        self.limit_snapshot(count)
    }

    /// The same number of steps, if a snapshot may have as many.
    fn limit_snapshot(&self, count: u64) -> Result<u64> {
        let max = self.0.config.feed_snapshot_steps;
        if count <= max {
            return Ok(count);
        }
        Err(Error::LimitExceeded {
            limit: "feed-snapshot-steps",
            max,
            asked: None,
            advice: "narrow `where`, such as to one build",
        })
    }

    /// The snapshot that begins with this page. `held` is kept until the last one is read.
    async fn first_part(
        &self,
        reader: SnapshotReader,
        page: SnapshotPage,
        builderid: Option<BuilderId>,
        held: Option<Turn>,
    ) -> Result<Snapshot> {
        let bookmark = reader.bookmark;
        let included = reader.ahead.iter().copied().collect();
        let has_next = page.has_next;
        let page = self.page_of(page, bookmark, builderid);
        let rest = if has_next {
            let (sender, rest) = mpsc::channel(1);
            let task = SnapshotTask {
                feed: self.clone(),
                reader,
                builderid,
                held,
                parts: sender,
            };
            self.0.tasks.spawn(task.run());
            Some(rest)
        } else {
            reader.finish().await?;
            None
        };
        // From here on the included changes have positions, so the backfill meets them, and leaves
        // them out, before the handoff.
        self.sequence_if_possible().await?;
        Ok(Snapshot {
            bookmark,
            page,
            rest,
            included,
        })
    }

    /// The events of a page.
    pub(crate) fn page_of(
        &self,
        page: SnapshotPage,
        bookmark: Bookmark,
        builderid: Option<BuilderId>,
    ) -> EventPage {
        let now = self.0.clock.now();
        let events = page.steps.into_iter().map(|step| Event {
            change: ChangeId::default(),
            bookmark,
            kind: EventKind::Snapshot,
            occurred_at: now,
            builderid,
            step: Arc::new(step),
        });
        EventPage::new(&self.0.metrics.feed_page_bytes, events)
    }
}
