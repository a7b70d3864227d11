//! Committed changes get their places in the feed: one pass at a time, shared by all who wait for one.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::{
    domain::{
        error::{Error, Result},
        id::{ChangeId, Position},
    },
    feed::Feed,
    store::sequencer,
};

/// Passes that have begun, and the last ones that ended well and badly.
#[derive(Debug, Default)]
pub(crate) struct Sequencer {
    turn: Mutex<()>,
    begun: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
}

impl Feed {
    /// The place of a change that was just committed, which is heard from now on.
    ///
    /// # Errors
    /// `Unplaced`; the change is written all the same.
    pub(crate) async fn place(&self, change: ChangeId) -> Result<Position> {
        loop {
            let placed = match self.place_all().await {
                Ok(()) => sequencer::place_of(&self.0.db, change).await,
                Err(error) => Err(error),
            };
            match placed {
                Ok(Some(position)) => {
                    self.wake();
                    return Ok(position);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, %change, "a change is written and has no place in the feed yet");
                    return Err(Error::Unplaced);
                }
            }
        }
    }

    /// Gives all that is committed by now its place.
    pub(crate) async fn place_all(&self) -> Result<()> {
        if !self.0.db.places_events() {
            return Ok(());
        }
        let placing = &self.0.placing;
        // A pass that has begun may have looked before the caller's change was committed.
        let wanted = placing.begun.load(Ordering::Acquire) + 1;
        let _turn = placing.turn.lock().await;
        if placing.done.load(Ordering::Acquire) >= wanted {
            return Ok(());
        }
        // Nobody waits for a lock that somebody has waited for in vain meanwhile.
        if placing.failed.load(Ordering::Acquire) >= wanted {
            return Err(Error::Unavailable);
        }
        let pass = placing.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let placed = sequencer::place_changes(&self.0.db).await;
        let ended = if placed.is_ok() {
            &placing.done
        } else {
            &placing.failed
        };
        ended.store(pass, Ordering::Release);
        placed
    }
}
