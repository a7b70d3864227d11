//! Drops old events, so that the feed's table does not grow for ever.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    domain::{error::Result, id::Position},
    feed::handle::{BATCH_SIZE, Feed},
    store::event_reach,
};

/// The pause between two batches, in which others write: a Buildbot master has one thread for its
/// SQLite file.
const BATCH_PAUSE: Duration = Duration::from_millis(10);

impl Feed {
    /// Drops the events that are older, or more, than the configuration keeps, in batches so small
    /// that no other writer waits for long. Returns how many it dropped.
    pub(crate) async fn prune(&self) -> Result<u64> {
        if !self.is_attached() {
            return Ok(0);
        }
        let config = &self.0.config;
        let before = self.0.clock.now() - config.feed_keep_seconds;
        // Without subscribers nothing else gives positions, and a change without one is not pruned.
        self.sequence_all().await?;
        let mut pruned = 0;
        loop {
            // Read for each batch, as other writers move the end of the feed.
            let up_to = Position(self.newest().await?.position.0 - config.feed_keep_events);
            let dropped = event_reach::prune(&self.0.db, up_to, before, BATCH_SIZE).await?;
            pruned += dropped;
            if dropped < BATCH_SIZE {
                return Ok(pruned);
            }
            sleep(BATCH_PAUSE).await;
        }
    }
}
