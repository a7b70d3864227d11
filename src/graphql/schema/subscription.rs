//! The root of subscriptions.

use std::{sync::Arc, time::Duration};

use async_graphql::{Context, Subscription as Root};
use futures_util::stream::{self, Stream};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    domain::{
        error::{Error, Result},
        id::Position,
    },
    feed::{
        backfill::{Backfill, StartPosition},
        live_events::LiveEvents,
    },
    graphql::{
        execute::context::ContextExt,
        schema::{
            event::{StepEvent, StepEventFilter},
            scalar::EventCursor,
        },
        subscribe::{shared_subscription::Joiner, stream::StreamPosition},
    },
    store::event::Event,
};

/// A group's stream ends when it has heard nothing for so long, and is begun anew with the next event.
const IDLE: Duration = Duration::from_secs(1);

/// Where the events of a stream come from, and how far they have come; each subscription's request brings one along.
pub(crate) struct EventSource {
    origin: Origin,
    place: StreamPosition,
}

enum Origin {
    /// A subscriber's own part, up to joining its group; the cursor is one to begin behind in place of the arguments.
    Own(Arc<Joiner>, Option<String>),
    /// What a group hears, as long as there is something to hear.
    Live(Arc<Mutex<LiveEvents>>),
}

impl EventSource {
    pub(crate) fn own(joiner: Arc<Joiner>, resume: Option<String>, place: StreamPosition) -> Self {
        let origin = Origin::Own(joiner, resume);
        Self { origin, place }
    }

    pub(crate) fn live(listening: Arc<Mutex<LiveEvents>>, place: StreamPosition) -> Self {
        let origin = Origin::Live(listening);
        Self { origin, place }
    }
}

enum EventStream {
    /// Up to where the group takes over; joins it once.
    Own(Box<Backfill>, Option<Arc<Joiner>>),
    Live(Arc<Mutex<LiveEvents>>),
}

impl EventStream {
    /// The next event, and up to where all is told with it.
    async fn next(&mut self) -> Result<(Option<Event>, Option<Position>)> {
        match self {
            Self::Own(backfill, joiner) => loop {
                let event = backfill.next().await?;
                match joiner.take_if(|_| event.is_none()) {
                    Some(joiner) => {
                        backfill.hand_off(joiner.join(backfill.filter(), backfill.at()))
                    }
                    None => return Ok((event, backfill.delivered())),
                }
            },
            Self::Live(listening) => {
                let mut listening = listening.lock().await;
                let event = timeout(IDLE, listening.next()).await.ok().transpose()?;
                Ok((event, Some(listening.delivered())))
            }
        }
    }
}

/// Everything that can be listened to.
pub(crate) struct Subscription;

/// Everything that can be listened to.
#[Root]
impl Subscription {
    /// Every change of every matching step, each once, in order, with no gap.
    /// after: first replays what came since that position, then goes on live.
    /// snapshot: first sends each matching step as it is now (kind SNAPSHOT), then goes on live.
    /// Neither: live from now. Both: an error.
    /// The stream ends with the error CURSOR_EXPIRED where `after` is older than the feed reaches, and with
    /// FEED_LAGGED (extensions.cursor says where to resume) where the client reads too slowly, with FEED_DETACHED
    /// where a Buildbot upgrade dropped the feed's triggers.
    async fn step_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where")] filter: Option<StepEventFilter>,
        after: Option<EventCursor>,
        #[graphql(default = false)] snapshot: bool,
    ) -> Result<impl Stream<Item = Result<StepEvent>> + use<>> {
        let (feed, source) = (ctx.app().feed.clone(), ctx.data_unchecked::<EventSource>());
        let place = source.place.clone();
        let (app, budget) = (ctx.app().clone(), ctx.loaders().budget().clone());
        let events = match &source.origin {
            Origin::Own(joiner, resume) => {
                let start = start(resume.clone(), after, snapshot)?;
                let joiner = joiner.clone();
                let filter = filter.unwrap_or_default().into();
                let begin = feed.backfill(filter, start);
                let backfill = ctx.app().deadline().keep(begin).await??;
                place.set(backfill.delivered());
                EventStream::Own(Box::new(backfill), Some(joiner))
            }
            Origin::Live(listening) => EventStream::Live(listening.clone()),
        };
        Ok(stream::try_unfold(events, move |mut events| {
            let (feed, place) = (feed.clone(), place.clone());
            let (app, budget) = (app.clone(), budget.clone());
            async move {
                let (event, delivered) = events.next().await?;
                // Each event is answered before the next is asked for.
                budget.renew(app.deadline());
                place.set(delivered);
                Ok(event.map(|event| (StepEvent::new(&feed, event), events)))
            }
        }))
    }
}

fn start(
    resume: Option<String>,
    after: Option<EventCursor>,
    snapshot: bool,
) -> Result<StartPosition> {
    match (resume, after, snapshot) {
        (Some(cursor), _, _) | (None, Some(EventCursor(cursor)), false) => {
            Ok(StartPosition::After(cursor))
        }
        (None, None, true) => Ok(StartPosition::Snapshot),
        (None, None, false) => Ok(StartPosition::Now),
        (None, Some(_), true) => Err(Error::invalid(
            "snapshot",
            "not together with after: ask for one start",
        )),
    }
}
