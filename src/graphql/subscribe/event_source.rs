//! The source of the events of a subscription's stream, which its request carries as data.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::timeout};

use crate::{
    domain::{bookmark::Bookmark, error::Result, id::Position},
    feed::{backfill::Backfill, event_filter::EventFilter, live_events::LiveEvents},
    graphql::subscribe::stream_state::StreamState,
    store::event::Event,
};

/// How long a shared stream outlives its last event; the next event starts a new one.
const IDLE: Duration = Duration::from_secs(1);

/// Takes over from a subscriber's own stream.
pub(crate) trait Handoff: Send + Sync {
    /// Joins a subscriber that has read everything up to `read` to the live events; returns the
    /// position after which it gets them.
    fn join(&self, filter: &EventFilter, read: Bookmark) -> Position;
}

/// The source of one stream, and the state that the stream's reader sees.
pub(crate) struct EventSource {
    origin: Origin,
    pub(crate) state: StreamState,
}

/// Who reads the stream.
#[derive(Clone)]
pub(crate) enum Origin {
    /// One subscriber, up to the handoff. `resume` is a cursor from the transport; it overrides the
    /// arguments `after` and `snapshot`.
    Own {
        handoff: Arc<dyn Handoff>,
        resume: Option<String>,
    },
    /// All members of a shared subscription. The events outlive the stream and serve the next one.
    Shared(Arc<Mutex<LiveEvents>>),
}

impl EventSource {
    /// A subscriber's own stream.
    pub(crate) fn own(
        handoff: Arc<dyn Handoff>,
        resume: Option<String>,
        state: StreamState,
    ) -> Self {
        let origin = Origin::Own { handoff, resume };
        Self { origin, state }
    }

    /// The stream of a shared subscription.
    pub(crate) fn shared(events: Arc<Mutex<LiveEvents>>, state: StreamState) -> Self {
        let origin = Origin::Shared(events);
        Self { origin, state }
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// The events of one stream.
pub(crate) enum EventStream {
    /// What a subscriber missed; hands it off once.
    Own(Box<Backfill>, Option<Arc<dyn Handoff>>),
    Shared(Arc<Mutex<LiveEvents>>),
}

impl EventStream {
    /// The next event, and the position up to which everything is then delivered. Without an event,
    /// the stream ends.
    pub(crate) async fn next(&mut self) -> Result<(Option<Event>, Option<Bookmark>)> {
        match self {
            Self::Own(backfill, handoff) => loop {
                let event = backfill.next().await?;
                // The first `None` means caught up: join, then read up to the live events.
                match handoff.take_if(|_| event.is_none()) {
                    Some(handoff) => {
                        let live_from = handoff.join(backfill.filter(), backfill.at());
                        backfill.hand_off(live_from);
                    }
                    None => return Ok((event, backfill.delivered())),
                }
            },
            Self::Shared(events) => {
                let mut events = events.lock().await;
                // Cancelling `next` loses no event.
                let event = timeout(IDLE, events.next()).await.ok().transpose()?;
                Ok((event, Some(events.delivered())))
            }
        }
    }
}
