//! The root of subscriptions.

use async_graphql::{Context, Subscription as Root};
use futures_util::stream::{self, Stream};

use crate::{
    domain::{
        error::{Error, Result},
        id::LogId,
    },
    feed::{backfill::StartPosition, event_filter::EventFilter},
    graphql::{
        execute::context::ContextExt,
        schema::{
            event::{AnyEvent, BuildEvent, StepEvent},
            event_run::EventRun,
            filter::event::{AnyEventFilter, BuildEventFilter, StepEventFilter, log_unknown_ids},
            log_tail::{self, LogTail},
            plain::{Plain, PlainValue},
            scalar::EventCursor,
        },
        subscribe::event_source::{
            EventSource, EventStream, Origin, OwnStream, StreamItem, StreamItems,
        },
    },
};

/// Everything that can be listened to.
pub(crate) struct Subscription;

/// Everything that can be listened to.
#[Root]
impl Subscription {
    /// Every change of every matching step, each once, in order, with no gap.
    ///
    /// - `after` first replays what came since that position, then goes on live.
    /// - `snapshot` first sends each matching step as it is now (kind SNAPSHOT), then goes on live.
    ///   All are of one moment; each costs what an event does, and a long one waits for its turn.
    /// - Neither: live from now. Both: an error.
    ///
    /// The stream ends with an error:
    ///
    /// - CURSOR_EXPIRED where `after` is older than the feed reaches,
    /// - FEED_LAGGED where the client reads too slowly; `extensions.cursor` says where to resume,
    ///   but in a snapshot there is none: begin anew, for fewer steps,
    /// - FEED_DETACHED where a Buildbot upgrade dropped the feed's triggers.
    async fn step_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where", desc = "Which events; those of all steps if left out.")]
        filter: Option<StepEventFilter>,
        #[graphql(desc = "First replays what came since this position; not with `snapshot`.")]
        after: Option<EventCursor>,
        #[graphql(
            default = false,
            desc = "True to get each matching step as it is first; not with `after`."
        )]
        snapshot: bool,
    ) -> Result<impl Stream<Item = Result<EventRun<StepEvent>>> + use<>> {
        let filter = filter.unwrap_or_default().read();
        open(ctx, filter, (after, snapshot), |event| match event {
            AnyEvent::Step(event) => Some(event),
            _ => None,
        })
        .await
    }

    /// Every change of every matching build, as `stepEvents` sends those of steps.
    async fn build_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            name = "where",
            desc = "Which events; those of all builds if left out."
        )]
        filter: Option<BuildEventFilter>,
        #[graphql(desc = "First replays what came since this position; not with `snapshot`.")]
        after: Option<EventCursor>,
        #[graphql(
            default = false,
            desc = "True to get each matching build as it is first; not with `after`."
        )]
        snapshot: bool,
    ) -> Result<impl Stream<Item = Result<EventRun<BuildEvent>>> + use<>> {
        let filter = filter.unwrap_or_default().read();
        open(ctx, filter, (after, snapshot), |event| match event {
            AnyEvent::Build(event) => Some(event),
            _ => None,
        })
        .await
    }

    /// Builders, builds and steps in one stream with one cursor, in the order of their commits, as `stepEvents` sends those of steps.
    /// A snapshot sends builders, then builds, then steps; it and a replay end with one `CaughtUp`, so that an empty answer is not mistaken for a slow one.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where", desc = "Which events; all if left out.")] filter: Option<
            AnyEventFilter,
        >,
        #[graphql(desc = "First replays what came since this position; not with `snapshot`.")]
        after: Option<EventCursor>,
        #[graphql(
            default = false,
            desc = "True to get each matching object as it is first; not with `after`."
        )]
        snapshot: bool,
    ) -> Result<impl Stream<Item = Result<EventRun<AnyEvent>>> + use<>> {
        let filter = filter.unwrap_or_default().read();
        open(ctx, filter, (after, snapshot), Some).await
    }

    /// The text of a log as it is written, from a line on, each line once and in order, until the log is finished.
    /// The first message comes at once and has what is there; a long log comes in several.
    async fn log_tail(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The log's unique ID.")] logid: i32,
        #[graphql(
            default = 0,
            desc = "The number of the first line, from 0: `next` of the last message after a lost connection. A negative one counts from the end."
        )]
        from: i32,
    ) -> Result<impl Stream<Item = Result<Plain<LogTail>>> + use<>> {
        log_tail::follow(ctx, LogId(logid), from).await
    }
}

/// Opens the stream of the events that match and of which `take` takes something.
async fn open<T: PlainValue>(
    ctx: &Context<'_>,
    filter: Result<EventFilter>,
    (after, snapshot): (Option<EventCursor>, bool),
    take: fn(AnyEvent) -> Option<T>,
) -> Result<impl Stream<Item = Result<EventRun<T>>> + use<T>> {
    // Cloned, since the stream outlives the resolver's context.
    let (app, budget) = (ctx.app().clone(), ctx.loaders().budget().clone());
    let db = ctx.loaders().db().clone();
    let source = ctx.data_unchecked::<EventSource>();
    let state = source.state.clone();
    let events = match source.origin() {
        Origin::Own { handoff, resume } => {
            let start = start(resume.clone(), after, snapshot)?;
            if let StartPosition::After(cursor) = &start {
                state.set_resume(cursor.clone());
            }
            let begins_with_past = !matches!(start, StartPosition::Now);
            let filter = filter?;
            let backfill = async {
                log_unknown_ids(&db, &filter).await;
                app.feed.backfill(&db, filter, start, &**handoff).await
            };
            // The stream has no deadline: only its start and each event have one.
            budget.renew(app.deadline());
            let backfill = budget.read(backfill, |_| 0).await?;
            state.set_delivered([backfill.delivered()]);
            let own = OwnStream::new(backfill, handoff.clone(), begins_with_past);
            EventStream::Own(own)
        }
        Origin::Shared(events) => EventStream::Shared(events.clone()),
    };
    // Last: an error before this is a refusal.
    state.open();
    // A run that was not sent to its end goes on.
    let unsent: Option<EventRun<T>> = None;
    Ok(stream::try_unfold(
        (events, unsent),
        move |(mut events, unsent)| {
            let (app, budget, state) = (app.clone(), budget.clone(), state.clone());
            async move {
                // The library resolves each run before it polls for the next.
                budget.release();
                let mut run = unsent.filter(|run| !run.is_sent());
                while run.is_none() {
                    let items = events.next().await.inspect_err(|_| state.fail())?;
                    let items = match items {
                        StreamItems::Some(items) => items,
                        StreamItems::End(delivered) => {
                            state.set_delivered([delivered]);
                            return Ok(None);
                        }
                    };
                    let items = items.into_iter().filter_map(|(item, delivered)| {
                        let event = match item {
                            StreamItem::Event(event) => AnyEvent::new(&app.feed, event)?,
                            StreamItem::CaughtUp(at) => AnyEvent::caught_up(&app.feed, at),
                        };
                        Some((take(event)?, delivered))
                    });
                    let items: Vec<_> = items.collect();
                    run = (!items.is_empty()).then(|| EventRun::new(items, state.clone()));
                }
                budget.renew(app.deadline());
                Ok(run.map(|run| (run.clone(), (events, Some(run)))))
            }
        },
    ))
}

/// Where the stream starts. A cursor from the transport overrides the arguments.
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
