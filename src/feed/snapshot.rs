//! The present state of every matching object, as the events that a subscription may begin with.
//!
//! A snapshot of one page is read at once and holds nothing. A longer one waits for its turn, and a
//! task then reads on in the same transaction, a page ahead of the client at most.

use std::collections::HashSet;

use tokio::sync::mpsc;

use crate::{
    domain::{
        bookmark::Bookmark,
        error::{Error, Result},
        id::ChangeId,
    },
    feed::{
        event_filter::EventFilter,
        event_page::{EventPage, snapshot_events},
        handle::Feed,
        snapshot_task::{SnapshotPart, SnapshotTask},
    },
    store::{
        db::database::Db,
        event::EVENT_BYTES,
        snapshot::{SnapshotPage, SnapshotReader},
    },
};

/// The caller at whose expense a subscription reads the table.
pub(crate) trait Payer: Send + Sync {
    /// Takes the points for so many events of a snapshot. One dearer than half of what a caller may
    /// have takes the rest as a debt.
    ///
    /// # Errors
    /// `RateLimited`.
    fn spend(&self, events: u64) -> Result<()>;

    /// Charges the points for so many events that were read already.
    fn charge(&self, events: u64);

    /// Lets others begin meanwhile: the next step may take long.
    fn let_others_begin(&self);
}

/// The objects of one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The newest event's at that moment.
    pub(crate) bookmark: Bookmark,
    /// The first objects.
    pub(crate) page: EventPage,
    /// The other pages; `None` if there are none.
    pub(crate) rest: Option<mpsc::Receiver<Result<SnapshotPart>>>,
    /// Changes that the objects already show, but whose positions come after the snapshot's.
    pub(crate) included: HashSet<ChangeId>,
}

impl Feed {
    /// Reads the objects that match, on a caller's account.
    ///
    /// # Errors
    /// `LimitExceeded` where they are more than the configuration allows, `RateLimited`, and
    /// `OutOfMemory`.
    pub(crate) async fn snapshot(
        &self,
        db: &Db,
        filter: &EventFilter,
        payer: &dyn Payer,
    ) -> Result<Snapshot> {
        let (reader, page) = self.begin_snapshot(db, filter).await?;
        let count = self.count_snapshot(&reader, &page).await?;
        payer.spend(count)?;
        if !page.has_next {
            return self.first_part(reader, page).await;
        }
        // It waits with nothing in its hands, and begins anew at a later moment.
        drop(page);
        reader.finish().await?;
        payer.let_others_begin();
        let (reader, page) = self.begin_snapshot(&db.for_snapshots(), filter).await?;
        self.count_snapshot(&reader, &page).await?;
        self.first_part(reader, page).await
    }

    async fn begin_snapshot(
        &self,
        db: &Db,
        filter: &EventFilter,
    ) -> Result<(SnapshotReader, SnapshotPage)> {
        let (max_bytes, query) = (self.batch_bytes(), filter.snapshot());
        let page_rows = max_bytes / EVENT_BYTES;
        let mut reader = SnapshotReader::begin(db, &query, page_rows).await?;
        let page = reader.next_page(max_bytes).await?;
        Ok((reader, page))
    }

    /// How many objects a snapshot has, readable or not, if it may have as many.
    async fn count_snapshot(&self, reader: &SnapshotReader, first: &SnapshotPage) -> Result<u64> {
        let max = self.0.config.feed_snapshot_steps;
        let count = if first.has_next {
            reader.count(max).await?
        } else {
            first.rows as u64
        };
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

    /// The snapshot that begins with this page.
    async fn first_part(&self, reader: SnapshotReader, page: SnapshotPage) -> Result<Snapshot> {
        let (bookmark, has_next) = (reader.bookmark, page.has_next);
        let included: HashSet<ChangeId> = reader.ahead.iter().copied().collect();
        self.cache().require(bookmark.position);
        // What it shows beyond its position must not be read older either.
        if !included.is_empty() {
            self.cache().clear();
        }
        let events = snapshot_events(page, bookmark, self.0.clock.now());
        let page = EventPage::reserve(&self.0.memory, events)?;
        let rest = if has_next {
            let (sender, rest) = mpsc::channel(1);
            let task = SnapshotTask {
                feed: self.clone(),
                reader,
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
}
