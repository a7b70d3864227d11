//! Events that were read from the table, or from memory, and not yet taken.

use std::collections::VecDeque;

use crate::{
    domain::{bookmark::Bookmark, error::Result, event::EventKind, id::ChangeId},
    memory::{MemoryBudget, MemoryShare},
    store::{event::Event, snapshot::SnapshotPage},
};

/// Events in order, whose bytes are counted while they are held.
#[derive(Debug, Default)]
pub(crate) struct EventPage {
    events: VecDeque<Event>,
    bytes: usize,
    memory: Option<MemoryShare>,
}

impl EventPage {
    /// A page for which there is memory.
    ///
    /// # Errors
    /// `OutOfMemory` where there is none.
    pub(crate) fn reserve(memory: &MemoryBudget, events: Vec<Event>) -> Result<Self> {
        let share = memory.reserve(bytes_of(&events))?;
        Ok(Self::new(share, events))
    }

    /// The same, whether there is memory or not.
    pub(crate) fn hold(memory: &MemoryBudget, events: Vec<Event>) -> Self {
        let share = memory.hold(bytes_of(&events));
        Self::new(share, events)
    }

    fn new(share: MemoryShare, events: Vec<Event>) -> Self {
        Self {
            bytes: bytes_of(&events),
            events: events.into(),
            memory: Some(share),
        }
    }

    /// The next event.
    pub(crate) fn take(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.bytes -= event.object.event_bytes();
        if let Some(memory) = &mut self.memory {
            memory.resize(self.bytes);
        }
        // The room of a long page is given back with its last event.
        if self.events.is_empty() {
            *self = Self::default();
        }
        Some(event)
    }

    /// What [`take`](Self::take) would return.
    pub(crate) fn peek(&self) -> Option<&Event> {
        self.events.front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

fn bytes_of(events: &[Event]) -> usize {
    events.iter().map(|event| event.object.event_bytes()).sum()
}

/// The events of a snapshot's page.
pub(crate) fn snapshot_events(page: SnapshotPage, bookmark: Bookmark, now: i64) -> Vec<Event> {
    let events = page.objects.into_iter().map(|object| Event {
        change: ChangeId::default(),
        bookmark,
        kind: EventKind::Snapshot,
        occurred_at: now,
        // Nobody asks: the rows were chosen by their builders already.
        builderid: None,
        object,
    });
    events.collect()
}
