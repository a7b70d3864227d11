//! Reads a long snapshot page by page, as its client takes it.

use std::time::Duration;

use tokio::{select, sync::mpsc, time::timeout};

use crate::{
    domain::error::{Error, Result},
    feed::{
        event_page::{EventPage, snapshot_events},
        handle::Feed,
    },
    store::snapshot::SnapshotReader,
};

/// Into how many parts the time of a snapshot is divided: its client must take a page in each.
const INTERVALS: u32 = 4;

/// A page of a snapshot, but for the first.
#[derive(Debug)]
pub(crate) struct SnapshotPart {
    pub(crate) page: EventPage,
    pub(crate) has_next: bool,
}

/// The task's state.
pub(crate) struct SnapshotTask {
    pub(crate) feed: Feed,
    pub(crate) reader: SnapshotReader,
    /// Holds one page that the client has not taken.
    pub(crate) parts: mpsc::Sender<Result<SnapshotPart>>,
}

impl SnapshotTask {
    /// Reads to the last page; ends early with the client, with the server, and where the client is
    /// too slow.
    pub(crate) async fn run(mut self) {
        let (parts, stop) = (self.parts.clone(), self.feed.0.stop.clone());
        let limit = self.feed.0.db.snapshot_time;
        let ended = select! {
            () = parts.closed() => Ok(()),
            // The client learns that the server stops when the channel closes.
            () = stop.cancelled() => Ok(()),
            read = timeout(limit, self.send_pages(limit / INTERVALS)) => {
                read.unwrap_or_else(|_| Err(self.lagged()))
            }
        };
        // An open transaction keeps the database from cleaning up, so it ends before the client
        // hears of it.
        if let Err(error) = self.reader.finish().await {
            tracing::debug!(%error, "a snapshot's transaction did not end cleanly");
        }
        drop(self.parts);
        if let Err(error) = ended {
            // The client may be gone.
            let _ = parts.send(Err(error)).await;
        }
    }

    async fn send_pages(&mut self, patience: Duration) -> Result<()> {
        loop {
            let Ok(reserved) = timeout(patience, self.parts.reserve()).await else {
                return Err(self.lagged());
            };
            let Ok(place) = reserved else {
                return Ok(());
            };
            let read = self.reader.next_page(self.feed.batch_bytes()).await?;
            let has_next = read.has_next;
            let (bookmark, now) = (self.reader.bookmark, self.feed.0.clock.now());
            let events = snapshot_events(read, bookmark, now);
            // Few run at once, so it ends none of them where there is no memory left.
            let page = EventPage::hold(&self.feed.0.memory, events);
            place.send(Ok(SnapshotPart { page, has_next }));
            if !has_next {
                return Ok(());
            }
        }
    }

    /// The error for a client that takes too long.
    fn lagged(&self) -> Error {
        self.feed.0.metrics.feed_lagged.inc();
        Error::SnapshotLagged(self.feed.0.db.snapshot_time.as_secs())
    }
}
