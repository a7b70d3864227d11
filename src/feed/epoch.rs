//! Which feed the database has, if any. Its epoch is the random name that every cursor begins with:
//! a feed that was made anew, or that lost a change, has another one.

use std::{mem, sync::Arc};

use parking_lot::Mutex;

use crate::domain::error::{Error, Result};

/// The epoch as it was last read, or why the database has no feed.
#[derive(Debug)]
pub(crate) struct FeedEpoch(Mutex<Result<Arc<str>>>);

impl Default for FeedEpoch {
    fn default() -> Self {
        Self(Mutex::new(Err(Error::FeedDetached)))
    }
}

impl FeedEpoch {
    pub(crate) fn get(&self) -> Result<Arc<str>> {
        self.0.lock().clone()
    }

    /// Stores what was read last, and logs a change. Returns the reason if every subscription must
    /// end.
    pub(crate) fn replace(&self, found: Result<Arc<str>>, is_ours: bool) -> Option<Error> {
        let known = mem::replace(&mut *self.0.lock(), found.clone());
        match (known, found) {
            (known, Err(why)) => {
                // `Error` cannot be compared, but its text can.
                let is_new = known.map_or_else(|was| was.to_string() != why.to_string(), |_| true);
                if is_new {
                    tracing::error!(%why, "no feed: subscriptions end until there is one");
                }
                // Returned each time, as a client may have subscribed in between.
                Some(why)
            }
            (Ok(known), Ok(found)) if known != found => {
                let why = "the feed was made anew, or lost a change";
                tracing::warn!("{why}: subscriptions begin afresh");
                Some(Error::CursorExpired(why))
            }
            // Our own database always has a feed, so finding it is no news.
            (Err(_), Ok(_)) if !is_ours => {
                tracing::info!("the database has a feed: it can be subscribed to");
                None
            }
            (_, Ok(_)) => None,
        }
    }
}
