//! The newest events, kept in memory: a subscriber that is only a little behind needs no query.

use std::collections::VecDeque;

use crate::{domain::id::Position, store::event::Event};

/// How many bytes of events are kept.
const MAX_BYTES: usize = 1 << 20;
/// How many bytes an event takes beside its texts.
const EVENT_BYTES: usize = 256;

/// Every readable event behind `floor`.
#[derive(Debug, Default)]
pub(crate) struct RecentEvents {
    floor: Position,
    events: VecDeque<Event>,
    bytes: usize,
}

/// About how much memory an event takes, in bytes.
pub(crate) fn size(event: &Event) -> usize {
    let step = &event.step;
    EVENT_BYTES + step.name.len() + step.state_string.len() + step.urls_json.len()
}

impl RecentEvents {
    /// The events behind this position, of which there are none yet.
    pub(crate) fn starting_after(position: Position) -> Self {
        Self {
            floor: position,
            ..Self::default()
        }
    }

    /// Adds the next event, and drops the oldest where there are too many.
    pub(crate) fn push(&mut self, event: &Event) {
        self.bytes += size(event);
        self.events.push_back(event.clone());
        while self.bytes > MAX_BYTES
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= size(&oldest);
            self.floor = oldest.position;
        }
    }

    /// The events behind a position, if all of them are here.
    pub(crate) fn after(&self, position: Position) -> Option<impl Iterator<Item = &Event>> {
        // Events are in order of their positions.
        let first = self
            .events
            .partition_point(|event| event.position <= position);
        (self.floor <= position).then(|| self.events.range(first..))
    }
}
