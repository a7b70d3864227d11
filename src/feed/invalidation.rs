//! Keeps the cache of rows true: it is forgotten event by event, before anybody hears of the event.

use std::time::Instant;

use migration::noun::NounSet;

use crate::{
    domain::{bookmark::Bookmark, error::Result},
    feed::handle::Feed,
    store::{
        cache::{
            RowCache,
            key::{CacheKey, touched_by_build, touched_by_builder, touched_by_step},
        },
        event::{Event, EventObject},
        event_bookmark,
    },
};

impl Feed {
    pub(crate) fn cache(&self) -> &RowCache {
        &self.0.db.cache
    }

    /// Whether the tail should follow for the cache's sake: somebody asks, and every change is
    /// recorded.
    pub(crate) fn is_cache_wanted(&self) -> bool {
        self.cache().is_wanted() && self.check_recorded(NounSet::BEFORE_LOGS).is_ok()
    }

    /// Begins to keep rows, from where the dispatcher stands or else from the newest event on.
    pub(crate) async fn start_cache(&self) -> Result<()> {
        self.cache().prepare();
        let db = self.0.db.watching();
        let newest = event_bookmark::newest(&db).await?;
        let mut dispatcher = self.dispatcher();
        let at = dispatcher.follow(newest);
        self.cache().start(at.position, newest.position);
        Ok(())
    }

    /// Keeps no rows until it is started again.
    pub(crate) fn stop_cache(&self) {
        let mut dispatcher = self.dispatcher();
        dispatcher.is_followed = false;
        self.cache().stop();
    }

    /// Forgets the rows of the events between two bookmarks.
    pub(crate) fn apply_to_cache(&self, from: Bookmark, events: &[Event], last: Bookmark) {
        let cache = self.cache();
        if !cache.is_on() {
            return;
        }
        // An event that cannot be read does not say what it is about.
        let are_all_readable = i64::try_from(events.len()) == Ok(last.position.0 - from.position.0);
        let mut keys = Vec::with_capacity(2 * events.len());
        let mut are_all_known = are_all_readable;
        for event in events {
            match &event.object {
                EventObject::Builder { id, .. } => keys.extend(touched_by_builder(*id)),
                EventObject::Build(build) => {
                    keys.extend(touched_by_build(build.id, build.builderid));
                }
                EventObject::Step(step) => keys.extend(touched_by_step(step.id, step.buildid)),
                // Rows of logs are not kept.
                EventObject::Log { .. } => {}
                EventObject::Gap(_) => are_all_known = false,
            }
        }
        let keys: Option<&[CacheKey]> = are_all_known.then_some(&keys);
        cache.apply(keys, last.position);
    }

    /// Serves kept rows for another poll interval, counted from when the database was looked at.
    pub(crate) fn confirm_cache(&self, looked_at: Instant) {
        self.cache().confirm(looked_at, self.0.config.poll());
    }
}
