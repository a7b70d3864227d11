//! The GraphQL interface Event and its types, their kinds and filters: what subscriptions send.

use std::sync::Arc;

use async_graphql::{
    ComplexObject, Context, Enum, Interface, SimpleObject, parser::types::SelectionSet,
};

use crate::{
    domain::{
        bookmark::Bookmark,
        error::{Error, Result},
        event,
        id::BuilderId,
    },
    feed::handle::Feed,
    graphql::{
        execute::json_text::{JsonText, NotPlain},
        schema::{
            build::Build,
            builder::Builder,
            log::Log,
            plain::{
                ObjectPlan, Plain, PlainObject, PlainValue, name_of, plain_leaf, plain_object,
                plan_fragment,
            },
            scalar::{DateTime, EventCursor},
            step::Step,
        },
    },
    store::{
        builder,
        event::{Event, EventObject},
    },
};

/// What an event was.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "event::EventKind")]
pub(crate) enum EventKind {
    /// Not a change: the object as it is at the start of the stream.
    Snapshot,
    /// The object was added.
    New,
    /// The step was started. Builds have no such event: they run from the start. Nor have logs.
    Started,
    /// Anything else about the object changed.
    Updated,
    /// The build, step or log was finished. Builders have no such event.
    Finished,
    /// Not a change: all that was asked for up to here has been sent.
    CaughtUp,
}

/// Something that a subscription sends.
#[derive(Interface)]
#[graphql(
    name = "Event",
    field(
        name = "cursor",
        ty = "&EventCursor",
        desc = "Its position: subscribe with `after` this to go on behind it."
    ),
    field(name = "kind", ty = "&EventKind", desc = "What it was."),
    field(name = "occurred_at", ty = "&DateTime", desc = "When it happened.")
)]
pub(crate) enum AnyEvent {
    Builder(BuilderEvent),
    Build(BuildEvent),
    Step(StepEvent),
    Log(LogEvent),
    CaughtUp(CaughtUp),
}

/// A change of a builder or its tags.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct BuilderEvent {
    /// Its position: subscribe with `after` this to go on behind it.
    cursor: EventCursor,
    /// What it was.
    kind: EventKind,
    /// When it happened.
    occurred_at: DateTime,
    #[graphql(skip)]
    id: BuilderId,
    #[graphql(skip)]
    row: Option<Arc<builder::Model>>,
}

#[expect(clippy::unused_async, reason = "the library's resolvers are")]
#[ComplexObject]
impl BuilderEvent {
    /// The builder as it was when this event was read, soon after it happened.
    async fn builder(&self) -> Result<Plain<Builder>> {
        let row = self.row.clone();
        row.map(|row| Plain(Builder(row)))
            .ok_or_else(|| Error::not_found("builder", self.id))
    }
}

/// A change of a build.
#[derive(SimpleObject)]
pub(crate) struct BuildEvent {
    /// Its position: subscribe with `after` this to go on behind it.
    cursor: EventCursor,
    /// What it was.
    kind: EventKind,
    /// When it happened.
    occurred_at: DateTime,
    /// The build as this event left it.
    build: Plain<Build>,
}

/// A change of a step.
#[derive(SimpleObject)]
pub(crate) struct StepEvent {
    /// Its position: subscribe with `after` this to go on behind it.
    cursor: EventCursor,
    /// What it was.
    kind: EventKind,
    /// When it happened.
    occurred_at: DateTime,
    /// The step as this event left it.
    step: Plain<Step>,
}

/// A change of a log. Its lines are not part of it.
#[derive(SimpleObject)]
pub(crate) struct LogEvent {
    /// Its position: subscribe with `after` this to go on behind it.
    cursor: EventCursor,
    /// What it was; UPDATED also where lines were added.
    kind: EventKind,
    /// When it happened.
    occurred_at: DateTime,
    /// The log as this event left it.
    log: Plain<Log>,
}

plain_object! {
    [] BuilderEvent, {
        "cursor" => cursor,
        "kind" => kind,
        "occurredAt" => occurred_at,
        "builder" => builder: Builder,
    }
}

plain_object! {
    [] BuildEvent, {
        "cursor" => cursor,
        "kind" => kind,
        "occurredAt" => occurred_at,
        "build" => build: Build,
    }
}

plain_object! {
    [] StepEvent, {
        "cursor" => cursor,
        "kind" => kind,
        "occurredAt" => occurred_at,
        "step" => step: Step,
    }
}

plain_object! {
    [] LogEvent, {
        "cursor" => cursor,
        "kind" => kind,
        "occurredAt" => occurred_at,
        "log" => log: Log,
    }
}

/// How to write an event of each type; `None` for one whose selection is not plain.
pub(crate) struct AnyEventPlan {
    builder: Option<ObjectPlan<BuilderEvent>>,
    build: Option<ObjectPlan<BuildEvent>>,
    step: Option<ObjectPlan<StepEvent>>,
    log: Option<ObjectPlan<LogEvent>>,
}

impl PlainValue for AnyEvent {
    type Plan = AnyEventPlan;

    fn plan(set: &SelectionSet) -> Option<AnyEventPlan> {
        Some(AnyEventPlan {
            builder: plan_fragment(set),
            build: plan_fragment(set),
            step: plan_fragment(set),
            log: plan_fragment(set),
        })
    }

    fn write_json(
        &self,
        plan: &AnyEventPlan,
        ctx: &Context<'_>,
        out: &mut JsonText,
    ) -> Result<(), NotPlain> {
        fn write<T: PlainObject>(
            event: &T,
            plan: Option<&ObjectPlan<T>>,
            ctx: &Context<'_>,
            out: &mut JsonText,
        ) -> Result<(), NotPlain> {
            event.write_json(plan.ok_or(NotPlain)?, ctx, out)
        }
        match self {
            Self::Builder(event) => write(event, plan.builder.as_ref(), ctx, out),
            Self::Build(event) => write(event, plan.build.as_ref(), ctx, out),
            Self::Step(event) => write(event, plan.step.as_ref(), ctx, out),
            Self::Log(event) => write(event, plan.log.as_ref(), ctx, out),
            Self::CaughtUp(_) => Err(NotPlain),
        }
    }
}

/// All that was asked for up to here has been sent; what follows is live.
#[derive(SimpleObject)]
pub(crate) struct CaughtUp {
    /// Its position: subscribe with `after` this to go on behind it.
    cursor: EventCursor,
    /// What it was.
    kind: EventKind,
    /// When it happened.
    occurred_at: DateTime,
}

impl AnyEvent {
    /// An event of the feed; `None` for one that no subscriber gets.
    pub(crate) fn new(feed: &Feed, event: Event) -> Option<Self> {
        let cursor = EventCursor(feed.cursor(event.bookmark));
        let (kind, occurred_at) = (event.kind.into(), DateTime(event.occurred_at));
        Some(match event.object {
            EventObject::Builder { id, row } => Self::Builder(BuilderEvent {
                cursor,
                kind,
                occurred_at,
                id,
                row,
            }),
            EventObject::Build(build) => Self::Build(BuildEvent {
                cursor,
                kind,
                occurred_at,
                build: Plain(Build(build)),
            }),
            EventObject::Step(step) => Self::Step(StepEvent {
                cursor,
                kind,
                occurred_at,
                step: Plain(Step(step)),
            }),
            EventObject::Log { log, .. } => Self::Log(LogEvent {
                cursor,
                kind,
                occurred_at,
                log: Plain(Log(log)),
            }),
            EventObject::Gap(_) => return None,
        })
    }

    /// The end of what a stream began with.
    pub(crate) fn caught_up(feed: &Feed, at: Bookmark) -> Self {
        Self::CaughtUp(CaughtUp {
            cursor: EventCursor(feed.cursor(at)),
            kind: EventKind::CaughtUp,
            occurred_at: DateTime(feed.0.clock.now()),
        })
    }
}

plain_leaf! {
    [] EventKind, |value, out| out.value(name_of(*value));
}
