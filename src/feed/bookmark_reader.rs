//! Reads the bookmarks of changes that were just committed. Those who wait at the same time share a
//! statement, as their writes may have shared a commit.

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{
    domain::{
        bookmark::Bookmark,
        error::{Error, Result},
        id::ChangeId,
    },
    store::{db::database::Db, event_bookmark},
};

/// Reads for all who wait, in one statement at a time.
#[derive(Debug, Default)]
pub(crate) struct BookmarkReader {
    waiting: Mutex<Vec<BookmarkWaiter>>,
    /// Held by whoever reads.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct BookmarkWaiter {
    change: ChangeId,
    tell: oneshot::Sender<Result<Option<Bookmark>>>,
}

impl BookmarkReader {
    /// The bookmark of a change; `None` until it has a position.
    ///
    /// # Errors
    /// `FeedDetached` where the change is not, or no longer, in the feed.
    pub(crate) async fn of_change(&self, db: &Db, change: ChangeId) -> Result<Option<Bookmark>> {
        loop {
            let (tell, mut told) = oneshot::channel();
            self.waiting.lock().push(BookmarkWaiter { change, tell });
            let found = tokio::select! {
                biased;
                found = &mut told => found,
                _turn = self.turn.lock() => {
                    self.read(db).await;
                    told.await
                }
            };
            // Otherwise whoever read was cut off.
            if let Ok(found) = found {
                return found;
            }
        }
    }

    async fn read(&self, db: &Db) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        if waiting.is_empty() {
            return;
        }
        let changes: Vec<ChangeId> = waiting.iter().map(|waiter| waiter.change).collect();
        let found = event_bookmark::of_changes(db, changes).await;
        for BookmarkWaiter { change, tell } in waiting {
            let found = match &found {
                Ok(found) => found.get(&change).copied().ok_or(Error::FeedDetached),
                Err(error) => Err(error.clone()),
            };
            // Who has left does not hear it.
            let _ = tell.send(found);
        }
    }
}
