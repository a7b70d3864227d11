//! Gives committed changes their positions: one pass at a time, shared by all who wait for one.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};

use crate::{
    domain::error::{Error, Result},
    store::{db::database::Db, sequencer},
};

/// How long nothing is tried after a database took no write: each try leaves a line in its log.
const PAUSE: Duration = Duration::from_secs(1);

/// Numbers passes from 1: the last one that has begun, that succeeded and that failed.
#[derive(Debug, Default)]
pub(crate) struct Sequencer {
    /// When the next pass may begin, where the database took no write.
    turn: Mutex<Option<Instant>>,
    begun: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
}

impl Sequencer {
    /// Gives every change that is committed by now its position. Where the database takes no
    /// writes, as a standby, another server gives them. Returns whether each has one now.
    pub(crate) async fn sequence_all(&self, db: &Db) -> Result<bool> {
        let is_read_only = matches!(db.feed_writability(), Err(Error::ReadOnly(_)));
        if !db.needs_sequencing() {
            return Ok(true);
        }
        if is_read_only {
            return Ok(false);
        }
        // A pass that has begun may have looked before the caller's change was committed.
        let wanted = self.begun.load(Ordering::Acquire) + 1;
        let mut next = self.turn.lock().await;
        if self.done.load(Ordering::Acquire) >= wanted {
            return Ok(next.is_none());
        }
        // That pass has waited for the database in vain: if each caller waited too, one after
        // the other, the waits would add up.
        if self.failed.load(Ordering::Acquire) >= wanted {
            return Err(Error::Unavailable);
        }
        if next.is_some_and(|next| Instant::now() < next) {
            return Ok(false);
        }
        let pass = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let sequenced = sequencer::sequence_changes(db).await;
        let ended = if sequenced.is_ok() {
            &self.done
        } else {
            &self.failed
        };
        ended.store(pass, Ordering::Release);
        let takes_writes = sequenced?;
        *next = (!takes_writes).then(|| Instant::now() + PAUSE);
        Ok(takes_writes)
    }
}
