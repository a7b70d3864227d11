//! The source of the events of a subscription's stream, which its request carries as data.

use std::{mem, sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::timeout};

use crate::{
    domain::{bookmark::Bookmark, error::Result, event::EventKind, id::Position},
    feed::{
        backfill::Backfill, event_filter::EventFilter, handle::BATCH_SIZE, live_events::LiveEvents,
        snapshot::Payer,
    },
    graphql::subscribe::stream_state::StreamState,
    store::event::Event,
};

/// How many events, and bytes of them, the library executes at once. What was read is sent sooner
/// then; what is live comes one by one.
const EVENTS_AT_ONCE: usize = 64;
const BYTES_AT_ONCE: usize = 64 * 1_024;

/// How long a shared stream outlives its last event; the next event starts a new one.
const IDLE: Duration = Duration::from_secs(1);

/// Takes over from a subscriber's own stream, and pays for it.
pub(crate) trait Handoff: Payer {
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
    Own(OwnStream),
    Shared(Arc<Mutex<LiveEvents>>),
}

/// What a subscriber missed, up to the handoff and the events that lead to it.
pub(crate) struct OwnStream {
    backfill: Box<Backfill>,
    /// Taken once.
    handoff: Option<Arc<dyn Handoff>>,
    /// How many events were taken, but for a snapshot's.
    replayed: u64,
    /// The end of what it begins with is still to be told.
    owes_caught_up: bool,
}

/// What a stream sends.
pub(crate) enum StreamItem {
    Event(Event),
    /// All that was asked for up to here has been sent.
    CaughtUp(Bookmark),
}

/// It, and up to where everything is delivered with it; `None` within a snapshot.
pub(crate) type DeliveredItem = (StreamItem, Option<Bookmark>);

/// What a stream sends next.
pub(crate) enum StreamItems {
    /// One at least.
    Some(Vec<DeliveredItem>),
    /// Nothing more; everything up to here is delivered.
    End(Option<Bookmark>),
}

impl OwnStream {
    /// The stream of a backfill; `begins_with_past` says whether it begins with a snapshot or a
    /// replay.
    pub(crate) fn new(
        backfill: Backfill,
        handoff: Arc<dyn Handoff>,
        begins_with_past: bool,
    ) -> Self {
        Self {
            backfill: Box::new(backfill),
            handoff: Some(handoff),
            replayed: 0,
            owes_caught_up: begins_with_past,
        }
    }

    async fn next(&mut self) -> Result<StreamItems> {
        loop {
            let event = self.backfill.next().await?;
            let Some(event) = event else {
                // The first `None` means caught up: join, then read up to the live events.
                if let Some(handoff) = self.handoff.take() {
                    let live_from = handoff.join(self.backfill.filter(), self.backfill.at());
                    self.backfill.hand_off(live_from);
                    continue;
                }
                let delivered = self.backfill.delivered();
                if mem::take(&mut self.owes_caught_up) {
                    let item = StreamItem::CaughtUp(self.backfill.at());
                    return Ok(StreamItems::Some(vec![(item, delivered)]));
                }
                return Ok(StreamItems::End(delivered));
            };
            return Ok(StreamItems::Some(self.ready_behind(event)));
        }
    }

    /// An event, and those behind it that were read already.
    fn ready_behind(&mut self, first: Event) -> Vec<DeliveredItem> {
        let (mut items, mut bytes) = (Vec::new(), 0);
        let mut next = Some(first);
        while let Some(event) = next {
            self.charge(&event);
            bytes += event.object.event_bytes();
            items.push((StreamItem::Event(event), self.backfill.delivered()));
            let room = BYTES_AT_ONCE.saturating_sub(bytes);
            next = if items.len() < EVENTS_AT_ONCE {
                self.backfill.next_ready(room)
            } else {
                None
            };
        }
        items
    }

    /// Charges an event of a long absence. A short one costs nothing: a server that restarts has
    /// all its clients resume at once.
    fn charge(&mut self, event: &Event) {
        let is_replayed = event.kind != EventKind::Snapshot;
        self.replayed += u64::from(is_replayed);
        if let Some(handoff) = &self.handoff
            && is_replayed
            && self.replayed > BATCH_SIZE
        {
            handoff.charge(1);
        }
    }
}

impl EventStream {
    /// The next events.
    pub(crate) async fn next(&mut self) -> Result<StreamItems> {
        match self {
            Self::Own(own) => own.next().await,
            Self::Shared(events) => {
                let mut events = events.lock().await;
                // Cancelling `next` loses no event.
                let event = timeout(IDLE, events.next()).await.ok().transpose()?;
                let delivered = Some(events.delivered());
                Ok(match event {
                    Some(event) => StreamItems::Some(vec![(StreamItem::Event(event), delivered)]),
                    None => StreamItems::End(delivered),
                })
            }
        }
    }
}
