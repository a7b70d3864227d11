//! The newest events, kept in memory: a subscriber that is only a little behind needs no query.

use std::collections::VecDeque;

use crate::{domain::bookmark::Bookmark, store::event::Event};

/// How many bytes of events are kept.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// Every readable event behind `floor`.
#[derive(Debug, Default)]
pub(crate) struct RecentEvents {
    floor: Bookmark,
    events: VecDeque<Event>,
    bytes: usize,
}

impl RecentEvents {
    /// The events behind this bookmark, of which there are none yet.
    pub(crate) fn starting_after(floor: Bookmark) -> Self {
        Self {
            floor,
            ..Self::default()
        }
    }

    /// Adds the next event, and drops the oldest where there are too many.
    pub(crate) fn push(&mut self, event: &Event) {
        self.bytes += event.object.event_bytes();
        self.events.push_back(event.clone());
        while self.bytes > MAX_BYTES
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= oldest.object.event_bytes();
            self.floor = oldest.bookmark;
        }
    }

    /// The events behind a bookmark, if its own and all of them are here.
    pub(crate) fn after(&self, bookmark: Bookmark) -> Option<impl Iterator<Item = &Event>> {
        // Events are in order of their positions.
        let next = self
            .events
            .partition_point(|event| event.bookmark.position <= bookmark.position);
        let last = next.checked_sub(1).map(|last| self.events[last].bookmark);
        (last.unwrap_or(self.floor) == bookmark).then(|| self.events.range(next..))
    }
}
