//! The GraphQL type StepEvent, its kinds and its filter: what subscriptions send.

use std::collections::HashMap;

use async_graphql::{Enum, InputObject, SimpleObject};

use crate::{
    domain::{
        error::{Error, Result},
        event,
        id::{BuildId, BuilderId, StepId},
    },
    feed::{event_filter::EventFilter, handle::Feed},
    graphql::schema::{
        scalar::{DateTime, EventCursor, NameOrNumber},
        step::Step,
    },
    store::{build, builder, db::database::Db, event::Event, step},
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
    /// Changes of these kinds, at least one.
    kinds: Option<Vec<StepEventKind>>,
    /// True: steps that the event left hidden. False: steps that it left visible.
    hidden: Option<bool>,
}

impl StepEventFilter {
    /// Translates the filter for the feed. Fails where it could never match.
    pub(crate) fn read(self) -> Result<EventFilter> {
        if self.kinds.as_ref().is_some_and(Vec::is_empty) {
            let rule = "at least one kind, got []; without kinds, changes of all kinds are sent";
            return Err(Error::invalid("where.kinds", rule));
        }
        Ok(EventFilter {
            builderid: self.builderid.map(BuilderId),
            buildid: self.buildid.map(BuildId),
            stepid: self.stepid.map(StepId),
            name_or_number: self.name_or_number.map(|n| n.0),
            kinds: self
                .kinds
                .map(|kinds| kinds.into_iter().map(event::EventKind::from).collect()),
            hidden: self.hidden,
        })
    }
}

/// Says in the log at debug which of the objects that a filter names by id do not exist: its
/// subscriber may be there before them, or wait for ever by mistake.
pub(crate) async fn log_unknown_ids(db: &Db, filter: &EventFilter) {
    // Nobody pays for what is not logged.
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    if let Some(id) = filter.builderid {
        log_unknown("builder", id.0, builder::by_ids(db, &[id]).await);
    }
    if let Some(id) = filter.buildid {
        log_unknown("build", id.0, build::by_ids(db, &[id]).await);
    }
    if let Some(id) = filter.stepid {
        log_unknown("step", id.0, step::by_ids(db, &[id]).await);
    }
}

fn log_unknown<K, V>(kind: &str, id: i32, found: Result<HashMap<K, V>>) {
    if found.is_ok_and(|rows| rows.is_empty()) {
        tracing::debug!(id, "a subscription asks for a {kind} that does not exist");
    }
}
