//! A Buildbot master's database gets its feed, and loses it, while it is served: an upgrade of Buildbot may drop the triggers.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    domain::error::{Error, ErrorCode, Result},
    feed::Feed,
    store::feed_install::probe::find_feed_epoch,
};

/// How often the feed is looked for.
const EVERY: Duration = Duration::from_secs(1);

/// Looks whether the feed is whole, again and again.
pub(crate) async fn run(feed: Feed) {
    let stop = feed.0.stop.clone();
    let work = async {
        loop {
            sleep(EVERY).await;
            match feed.look().await {
                // It is said elsewhere that the database does not answer.
                Ok(()) | Err(Error::Unavailable) => {}
                Err(error) => {
                    tracing::warn!(%error, "it cannot be told whether the feed is there");
                }
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

impl Feed {
    /// The feed's name in every cursor.
    ///
    /// # Errors
    /// `FeedDetached` or `FeedDenied`, as far as is known.
    pub(crate) fn epoch(&self) -> Result<Arc<str>> {
        self.known().clone()
    }

    /// The database has a feed, as far as is known.
    #[must_use]
    pub(crate) fn is_attached(&self) -> bool {
        self.epoch().is_ok()
    }

    /// Looks whether there is a feed, and whether it is the one that subscribers listen to.
    pub(crate) async fn look(&self) -> Result<()> {
        // One after the other, so that an older answer does not replace a newer one.
        let _turn = self.0.looking.lock().await;
        let found: Result<Arc<str>> = find_feed_epoch(&self.0.db).await.map(Into::into);
        if let Err(error) = &found
            && error.code() != ErrorCode::FeedDetached
        {
            return Err(error.clone());
        }
        let known = std::mem::replace(&mut *self.known(), found.clone());
        self.0.metrics.feed_attached.set(i64::from(found.is_ok()));
        match (known, found) {
            (known, Err(why)) => {
                let is_new = known.map_or_else(|was| was.to_string() != why.to_string(), |_| true);
                if is_new {
                    tracing::error!(%why, "no feed: subscriptions end until there is one");
                }
                // Again each time: somebody may have come in between.
                self.end(&why);
            }
            (Ok(known), Ok(found)) if known != found => {
                let why = "the feed was made anew, or lost a change";
                tracing::warn!("{why}: subscriptions begin afresh");
                self.end(&Error::CursorExpired(why));
            }
            (Err(_), Ok(_)) if !self.0.db.is_writable() => {
                tracing::info!("the database has a feed: it can be subscribed to");
            }
            (_, Ok(_)) => {}
        }
        Ok(())
    }
}
