//! Events that were read from the table, or from memory, and not yet taken.

use std::collections::VecDeque;

use prometheus_client::metrics::gauge::Gauge;

use crate::store::event::Event;

/// Events in order, counted in bytes while they are held.
#[derive(Debug)]
pub(crate) struct EventPage {
    events: VecDeque<Event>,
    bytes: i64,
    /// How many bytes all pages hold.
    held: Gauge,
}

impl EventPage {
    pub(crate) fn new(held: &Gauge, events: impl IntoIterator<Item = Event>) -> Self {
        let mut page = Self {
            events: VecDeque::new(),
            bytes: 0,
            held: held.clone(),
        };
        page.extend(events);
        page
    }

    pub(crate) fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        let before = self.events.len();
        self.events.extend(events);
        let bytes = self.events.range(before..).map(bytes).sum();
        self.bytes += bytes;
        self.held.inc_by(bytes);
    }

    /// The next event.
    pub(crate) fn take(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.bytes -= bytes(&event);
        self.held.dec_by(bytes(&event));
        // The room of a long page is given back with its last event.
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
        Some(event)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

impl Drop for EventPage {
    fn drop(&mut self) {
        self.held.dec_by(self.bytes);
    }
}

/// About how much memory an event takes.
fn bytes(event: &Event) -> i64 {
    i64::try_from(event.step.event_bytes()).unwrap_or(i64::MAX)
}
