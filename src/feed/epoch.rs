//! Which feed the database has, if any. Its epoch is the random name that every cursor begins with:
//! a feed that was made anew, or that lost a change, has another one.

use std::mem;

use migration::noun::NounSet;
use parking_lot::Mutex;

use crate::{
    domain::error::{Error, Result},
    store::feed_install::probe::FoundFeed,
};

/// The feed as it was last found, or why the database has none.
#[derive(Debug)]
pub(crate) struct FeedEpoch(Mutex<Result<FoundFeed>>);

impl Default for FeedEpoch {
    fn default() -> Self {
        Self(Mutex::new(Err(Error::FeedDetached)))
    }
}

impl FeedEpoch {
    pub(crate) fn get(&self) -> Result<FoundFeed> {
        self.0.lock().clone()
    }

    /// Stores what was found last, and logs a change. Returns why the subscriptions to these nouns
    /// must end, if they must.
    pub(crate) fn replace(
        &self,
        found: Result<FoundFeed>,
        is_ours: bool,
    ) -> Option<(Error, NounSet)> {
        let known = mem::replace(&mut *self.0.lock(), found.clone());
        match (known, found) {
            (known, Err(why)) => {
                // `Error` cannot be compared, but its text can.
                let is_new = known.map_or_else(|was| was.to_string() != why.to_string(), |_| true);
                if is_new {
                    tracing::error!(%why, "no feed: subscriptions end until there is one");
                }
                // Returned each time, as a client may have subscribed in between.
                Some((why, NounSet::ALL))
            }
            (Ok(known), Ok(found)) if known.epoch != found.epoch => {
                let why = "the feed was made anew, or lost a change";
                tracing::warn!("{why}: subscriptions begin afresh");
                Some((Error::CursorExpired(why), NounSet::ALL))
            }
            (known, Ok(found)) => {
                let missing = NounSet::ALL.without(found.recorded);
                let was_missing = known
                    .as_ref()
                    .map(|known| NounSet::ALL.without(known.recorded));
                let is_new = was_missing.ok() != Some(missing);
                // Our own database always has a feed, so finding it is no news.
                if known.is_err() && !is_ours {
                    tracing::info!("the database has a feed: it can be subscribed to");
                }
                if missing.is_empty() {
                    if known.is_ok() && is_new {
                        tracing::info!("every change is recorded again");
                    }
                    return None;
                }
                let why = Error::NotRecorded(missing);
                if is_new {
                    tracing::error!(%why, "subscriptions to them end until they are");
                }
                Some((why, missing))
            }
        }
    }
}
