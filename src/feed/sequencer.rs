//! Gives committed changes their positions: one pass at a time, shared by all who wait for one.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};

use crate::{
    domain::error::{Error, Result},
    store::{
        db::database::Db,
        sequencer::{Sequenced, sequence_batch},
    },
};

/// How long nothing is tried after a database took no write: each try leaves a line in its log.
const PAUSE: Duration = Duration::from_secs(1);

/// Numbers passes from 1: the last one that has begun, that succeeded and that failed.
#[derive(Debug, Default)]
pub(crate) struct Sequencer {
    /// What the last pass that succeeded has left, and when it ended.
    last: Mutex<Option<(Sequenced, Instant)>>,
    begun: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
}

impl Sequencer {
    /// Gives the changes that are committed by now their positions, the oldest first, a batch at
    /// most: who waits for one position, or reads, does not wait for all that others write. Where
    /// the database takes no writes, as a standby, another server gives them.
    pub(crate) async fn pass(&self, db: &Db) -> Result<Sequenced> {
        let is_read_only = matches!(db.feed_writability(), Err(Error::ReadOnly(_)));
        if !db.needs_sequencing() {
            return Ok(Sequenced::All);
        }
        if is_read_only {
            return Ok(Sequenced::Nothing);
        }
        // A pass that has begun may have looked before the caller's change was committed.
        let wanted = self.begun.load(Ordering::Acquire) + 1;
        let mut last = self.last.lock().await;
        if let Some((left, ended)) = *last
            && (self.done.load(Ordering::Acquire) >= wanted
                || left == Sequenced::Nothing && ended.elapsed() < PAUSE)
        {
            return Ok(left);
        }
        // That pass has waited for the database in vain: if each caller waited too, one after
        // the other, the waits would add up.
        if self.failed.load(Ordering::Acquire) >= wanted {
            return Err(Error::Unavailable);
        }
        let pass = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let sequenced = sequence_batch(db).await;
        let ended = if sequenced.is_ok() {
            &self.done
        } else {
            &self.failed
        };
        ended.store(pass, Ordering::Release);
        let left = sequenced?;
        *last = Some((left, Instant::now()));
        Ok(left)
    }
}
