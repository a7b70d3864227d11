//! The GraphQL type StepEvent, its kinds and its filter: what subscriptions send.

use async_graphql::{Enum, InputObject, SimpleObject};

use crate::{
    domain::{
        event,
        id::{BuildId, BuilderId, StepId},
    },
    feed::{event_filter::EventFilter, handle::Feed},
    graphql::schema::{
        scalar::{DateTime, EventCursor, NameOrNumber},
        step::Step,
    },
    store::event::Event,
};

/// What an event was.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(name = "EventKind", remote = "event::EventKind")]
pub(crate) enum StepEventKind {
    /// Not a change: the step as it is at the start of the stream.
    Snapshot,
    /// The step was added.
    New,
    /// The step was started.
    Started,
    /// Anything else about the step changed.
    Updated,
    /// The step was finished.
    Finished,
}

/// A change of a step.
#[derive(SimpleObject)]
pub(crate) struct StepEvent {
    /// Its position: subscribe with `after` this to go on behind it.
    cursor: EventCursor,
    /// What it was.
    kind: StepEventKind,
    /// When it happened.
    occurred_at: DateTime,
    /// The step as this event left it.
    step: Step,
}

impl StepEvent {
    pub(crate) fn new(feed: &Feed, event: Event) -> Self {
        Self {
            cursor: EventCursor(feed.cursor(event.bookmark)),
            kind: event.kind.into(),
            occurred_at: DateTime(event.occurred_at),
            step: Step(event.step),
        }
    }
}

/// Which events. All given conditions hold together. `kinds` asks for changes: a snapshot that is asked for is always sent.
#[derive(InputObject, Clone, Debug, Default)]
pub(crate) struct StepEventFilter {
    /// Steps of this builder's builds.
    builderid: Option<i32>,
    /// Steps of this build.
    buildid: Option<i32>,
    /// This step alone.
    stepid: Option<i32>,
    /// Steps of this number or name, in whatever build.
    name_or_number: Option<NameOrNumber>,
    /// Changes of these kinds; none of an empty list.
    kinds: Option<Vec<StepEventKind>>,
    /// True: steps that the event left hidden. False: steps that it left visible.
    hidden: Option<bool>,
}

impl From<StepEventFilter> for EventFilter {
    fn from(f: StepEventFilter) -> Self {
        Self {
            builderid: f.builderid.map(BuilderId),
            buildid: f.buildid.map(BuildId),
            stepid: f.stepid.map(StepId),
            name_or_number: f.name_or_number.map(|n| n.0),
            kinds: f
                .kinds
                .map(|kinds| kinds.into_iter().map(event::EventKind::from).collect()),
            hidden: f.hidden,
        }
    }
}
