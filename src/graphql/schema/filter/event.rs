//! The inputs that say which events: one for each subscription.

use std::collections::HashMap;

use async_graphql::{Enum, InputObject};
use migration::noun::{Noun, NounSet};

use crate::{
    domain::{
        error::{Error, Result},
        event,
        id::{BuildId, BuilderId, LogId, StepId},
    },
    feed::event_filter::EventFilter,
    graphql::schema::{event::EventKind, filter::operators::ResultsFilter, scalar::NameOrNumber},
    store::{build, builder, db::database::Db, log, step},
};

/// Which events. All given conditions hold together. `kinds` asks for changes: a snapshot that is asked for is always sent.
#[derive(InputObject, Clone, Debug, Default)]
pub(crate) struct StepEventFilter {
    /// Steps of this builder's builds.
    builderid: Option<i32>,
    /// Steps of the builds of the builder of this name.
    builder_name: Option<String>,
    /// Steps of this build.
    buildid: Option<i32>,
    /// This step alone.
    stepid: Option<i32>,
    /// Steps of this number or name, in whatever build.
    name_or_number: Option<NameOrNumber>,
    /// Changes of these kinds, at least one.
    kinds: Option<Vec<EventKind>>,
    /// True: steps that the event left hidden. False: steps that it left visible.
    hidden: Option<bool>,
    /// False: steps that the event left unfinished; with `snapshot`, what runs now. True: finished.
    complete: Option<bool>,
    /// Steps that the event left with these results.
    results: Option<ResultsFilter>,
}

/// Which events. All given conditions hold together. `kinds` asks for changes: a snapshot that is asked for is always sent.
#[derive(InputObject, Clone, Debug, Default)]
pub(crate) struct BuildEventFilter {
    /// Builds of this builder.
    builderid: Option<i32>,
    /// Builds of the builder of this name.
    builder_name: Option<String>,
    /// Builds of the builders that have this tag when the event is sent.
    tag: Option<String>,
    /// This build alone.
    buildid: Option<i32>,
    /// Changes of these kinds, at least one.
    kinds: Option<Vec<EventKind>>,
    /// False: builds that the event left running; with `snapshot`, what runs now. True: finished.
    complete: Option<bool>,
    /// Builds that the event left with these results.
    results: Option<ResultsFilter>,
}

/// What an event is about.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventType {
    /// A builder.
    Builder,
    /// A build.
    Build,
    /// A step.
    Step,
    /// A log.
    Log,
}

/// Which events. All given conditions hold together, each for the objects that have what it asks about. `kinds` asks for changes: a snapshot that is asked for is always sent, and so is the end of it or of a replay.
#[derive(InputObject, Clone, Debug, Default)]
#[graphql(name = "EventFilter")]
pub(crate) struct AnyEventFilter {
    /// Events of these types, at least one; of all if left out.
    types: Option<Vec<EventType>>,
    /// This builder, its builds, their steps and logs.
    builderid: Option<i32>,
    /// The builder of this name, its builds, their steps and logs.
    builder_name: Option<String>,
    /// The builders that have this tag when the event is sent, their builds, steps and logs.
    tag: Option<String>,
    /// This build, its steps and their logs; no builders.
    buildid: Option<i32>,
    /// This step and its logs; no builders or builds.
    stepid: Option<i32>,
    /// This log alone.
    logid: Option<i32>,
    /// Changes of these kinds, at least one.
    kinds: Option<Vec<EventKind>>,
    /// False: builds, steps and logs that the event left unfinished; with `snapshot`, what runs now. True: finished.
    complete: Option<bool>,
    /// True: steps that the event left hidden. False: steps that it left visible.
    hidden: Option<bool>,
}

impl StepEventFilter {
    /// Translates the filter for the feed. Fails where it could never match.
    pub(crate) fn read(self) -> Result<EventFilter> {
        Ok(EventFilter {
            nouns: Noun::Step.into(),
            builderid: self.builderid.map(BuilderId),
            builder_name: self.builder_name,
            buildid: self.buildid.map(BuildId),
            stepid: self.stepid.map(StepId),
            name_or_number: self.name_or_number.map(|n| n.0),
            kinds: read_kinds(self.kinds)?,
            hidden: self.hidden,
            complete: self.complete,
            results: self.results.map(|results| results.read()),
            ..EventFilter::default()
        })
    }
}

impl BuildEventFilter {
    /// Translates the filter for the feed. Fails where it could never match.
    pub(crate) fn read(self) -> Result<EventFilter> {
        Ok(EventFilter {
            nouns: Noun::Build.into(),
            builderid: self.builderid.map(BuilderId),
            builder_name: self.builder_name,
            tag: self.tag,
            buildid: self.buildid.map(BuildId),
            kinds: read_kinds(self.kinds)?,
            complete: self.complete,
            results: self.results.map(|results| results.read()),
            ..EventFilter::default()
        })
    }
}

impl AnyEventFilter {
    /// Translates the filter for the feed. Fails where it could never match.
    pub(crate) fn read(self) -> Result<EventFilter> {
        Ok(EventFilter {
            nouns: read_types(self.types)?,
            builderid: self.builderid.map(BuilderId),
            builder_name: self.builder_name,
            tag: self.tag,
            buildid: self.buildid.map(BuildId),
            stepid: self.stepid.map(StepId),
            logid: self.logid.map(LogId),
            kinds: read_kinds(self.kinds)?,
            complete: self.complete,
            hidden: self.hidden,
            ..EventFilter::default()
        })
    }
}

fn read_kinds(kinds: Option<Vec<EventKind>>) -> Result<Option<Vec<event::EventKind>>> {
    if kinds.as_ref().is_some_and(Vec::is_empty) {
        let rule = "at least one kind, got []; without kinds, changes of all kinds are sent";
        return Err(Error::invalid("where.kinds", rule));
    }
    Ok(kinds.map(|kinds| kinds.into_iter().map(event::EventKind::from).collect()))
}

fn read_types(types: Option<Vec<EventType>>) -> Result<NounSet> {
    let Some(types) = types else {
        return Ok(NounSet::ALL);
    };
    if types.is_empty() {
        let rule = "at least one type, got []; without types, events of all types are sent";
        return Err(Error::invalid("where.types", rule));
    }
    let nouns = types.into_iter().map(|of_type| match of_type {
        EventType::Builder => Noun::Builder,
        EventType::Build => Noun::Build,
        EventType::Step => Noun::Step,
        EventType::Log => Noun::Log,
    });
    Ok(nouns.collect())
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
    if let Some(id) = filter.logid {
        log_unknown("log", id.0, log::by_ids(db, &[id]).await);
    }
}

fn log_unknown<K, V>(kind: &str, id: i32, found: Result<HashMap<K, V>>) {
    if found.is_ok_and(|rows| rows.is_empty()) {
        tracing::debug!(id, "a subscription asks for a {kind} that does not exist");
    }
}
