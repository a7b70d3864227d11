//! Where the events of a subscription's stream come from. Each request brings its source along.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::timeout};

use crate::{
    domain::{error::Result, id::Position},
    feed::{backfill::Backfill, event_filter::EventFilter, live_events::LiveEvents},
    graphql::subscribe::stream_state::StreamState,
    store::event::Event,
};

/// A shared stream ends after so long without an event; the next event begins it anew.
const IDLE: Duration = Duration::from_secs(1);

/// Takes over from a subscriber's own stream.
pub(crate) trait Handoff: Send + Sync {
    /// Joins those who hear events live, for a subscriber who has read everything up to `read`;
    /// returns the position behind which it gets them.
    fn join(&self, filter: &EventFilter, read: Position) -> Position;
}

/// The source of one stream, and the state that the stream's reader sees.
pub(crate) struct EventSource {
    origin: Origin,
    pub(crate) state: StreamState,
}

/// Whose stream it is.
#[derive(Clone)]
pub(crate) enum Origin {
    /// A subscriber's own, up to the handoff. `resume` is a cursor that the transport brings; it
    /// takes the place of the arguments `after` and `snapshot`.
    Own {
        handoff: Arc<dyn Handoff>,
        resume: Option<String>,
    },
    /// The one that all subscribers of a shared subscription hear, as long as there are events.
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
    /// The next event, and up to where everything is delivered with it. No event: the stream ends.
    pub(crate) async fn next(&mut self) -> Result<(Option<Event>, Option<Position>)> {
        match self {
            Self::Own(backfill, handoff) => loop {
                let event = backfill.next().await?;
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
                let event = timeout(IDLE, events.next()).await.ok().transpose()?;
                Ok((event, Some(events.delivered())))
            }
        }
    }
}
