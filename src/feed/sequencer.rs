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
    pub(crate) async fn sequence(&self, change: ChangeId) -> Result<Position> {
        loop {
            let sequenced = match self.sequence_all().await {
                Ok(()) => sequencer::position_of(&self.0.db, change).await,
                Err(error) => Err(error),
            };
            match sequenced {
                Ok(Some(position)) => {
                    self.wake();
                    return Ok(position);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, %change, "a change is written and has no place in the feed yet");
                    return Err(Error::Unsequenced);
                }
            }
        }
    }

    /// Gives all that is committed by now its place.
    pub(crate) async fn sequence_all(&self) -> Result<()> {
        if !self.0.db.needs_sequencing() {
            return Ok(());
        }
        let sequencer = &self.0.sequencer;
        // A pass that has begun may have looked before the caller's change was committed.
        let wanted = sequencer.begun.load(Ordering::Acquire) + 1;
        let _turn = sequencer.turn.lock().await;
        if sequencer.done.load(Ordering::Acquire) >= wanted {
            return Ok(());
        }
        // Nobody waits for a lock that somebody has waited for in vain meanwhile.
        if sequencer.failed.load(Ordering::Acquire) >= wanted {
            return Err(Error::Unavailable);
        }
        let pass = sequencer.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let sequenced = sequencer::sequence_changes(&self.0.db).await;
        let ended = if sequenced.is_ok() {
            &sequencer.done
        } else {
            &sequencer.failed
        };
        ended.store(pass, Ordering::Release);
        sequenced
    }
}
