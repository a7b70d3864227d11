//! The newest events, kept in memory: who joins or comes back a little behind reads them here, and asks the database nothing.

use std::collections::VecDeque;

use crate::{domain::id::Position, store::event::Event};

/// How many bytes of events are kept.
const MAX_BYTES: usize = 1 << 20;
/// What an event takes beside its texts, in bytes.
const EVENT_BYTES: usize = 256;

/// The events behind a place, none left out but those that cannot be read.
#[derive(Debug, Default)]
pub(crate) struct RecentEvents {
    floor: Position,
    events: VecDeque<Event>,
    bytes: usize,
}

/// About how much memory an event takes.
pub(crate) fn bytes(event: &Event) -> usize {
    let step = &event.step;
    EVENT_BYTES + step.name.len() + step.state_string.len() + step.urls_json.len()
}

impl RecentEvents {
    /// Those behind this place, of which there are none yet.
    pub(crate) fn behind(place: Position) -> Self {
        Self {
            floor: place,
            ..Self::default()
        }
    }

    /// Adds the next event; the oldest go where there are too many.
    pub(crate) fn push(&mut self, event: &Event) {
        self.bytes += bytes(event);
        self.events.push_back(event.clone());
        while self.bytes > MAX_BYTES
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= bytes(&oldest);
            self.floor = oldest.position;
        }
    }

    /// The events behind a place, if all of them are here.
    pub(crate) fn after(&self, place: Position) -> Option<impl Iterator<Item = &Event>> {
        let first = self.events.partition_point(|event| event.position <= place);
        (self.floor <= place).then(|| self.events.range(first..))
    }
}
