//! Which events a subscriber asks for.

use migration::noun::{Noun, NounSet};

use crate::{
    domain::{
        build::BuildField,
        builder::BuilderField,
        event::EventKind,
        filter::{Filter, Test, Value},
        id::{BuildId, BuilderId, LogId, StepId},
        log::LogField,
        results::{Results, ResultsSet},
        step::{NameOrNumber, StepField},
    },
    feed::builder_directory::BuilderDirectory,
    store::{
        build,
        event::{Event, EventObject},
        log,
        snapshot::SnapshotQuery,
        step,
        unchecked_int::UncheckedInt,
    },
};

/// What an event must match; a field that is `None` matches every event. What a noun does not have
/// is not asked of it: `hidden` is about steps, `results` about builds and steps, `complete` about
/// those and logs. But a builder is in no build, and only a log is in a step.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventFilter {
    /// Events of these nouns.
    pub(crate) nouns: NounSet,
    pub(crate) builderid: Option<BuilderId>,
    pub(crate) builder_name: Option<String>,
    /// A tag that the builder has when the event is read.
    pub(crate) tag: Option<String>,
    pub(crate) buildid: Option<BuildId>,
    /// This step, or the logs of it.
    pub(crate) stepid: Option<StepId>,
    /// This log; nothing else matches.
    pub(crate) logid: Option<LogId>,
    pub(crate) name_or_number: Option<NameOrNumber>,
    pub(crate) kinds: Option<Vec<EventKind>>,
    pub(crate) complete: Option<bool>,
    pub(crate) results: Option<ResultsSet>,
    pub(crate) hidden: Option<bool>,
}

impl EventFilter {
    /// Whether it must be known what builders are called and tagged.
    pub(crate) fn asks_for_labels(&self) -> bool {
        self.builder_name.is_some() || self.tag.is_some()
    }

    /// Whether the event matches, or is a gap among those that do.
    pub(crate) fn matches(&self, event: &Event, builders: &BuilderDirectory) -> bool {
        if !self.nouns.contains(event.object.noun()) {
            return false;
        }
        if matches!(event.object, EventObject::Gap(_)) {
            return true;
        }
        self.kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(&event.kind))
            && self.builderid.is_none_or(|id| event.builderid == Some(id))
            && (!self.asks_for_labels() || self.matches_labels(event.builderid, builders))
            && match &event.object {
                EventObject::Builder { .. } => !self.is_within_builder(),
                EventObject::Build(build) => self.matches_build(build),
                EventObject::Step(step) => self.matches_step(step),
                EventObject::Log { log, buildid } => self.matches_log(log, *buildid),
                EventObject::Gap(_) => true,
            }
    }

    /// Whether it asks for one build, or for something in one.
    fn is_within_builder(&self) -> bool {
        self.buildid.is_some() || self.is_within_build()
    }

    /// Whether it asks for one step, or for something in one.
    fn is_within_build(&self) -> bool {
        self.stepid.is_some() || self.logid.is_some()
    }

    fn matches_labels(&self, id: Option<BuilderId>, builders: &BuilderDirectory) -> bool {
        let Some(builder) = id.and_then(|id| builders.get(id)) else {
            return false;
        };
        self.builder_name
            .as_ref()
            .is_none_or(|name| builder.name == *name)
            && self
                .tag
                .as_ref()
                .is_none_or(|tag| builder.tags.contains(tag))
    }

    fn matches_build(&self, build: &build::Model) -> bool {
        !self.is_within_build()
            && self.buildid.is_none_or(|id| build.id == id)
            && self.matches_end(build.complete_at.as_ref(), build.results.as_ref())
    }

    fn matches_step(&self, step: &step::Model) -> bool {
        self.logid.is_none()
            && self.buildid.is_none_or(|id| step.buildid == id)
            && self.stepid.is_none_or(|id| step.id == id)
            && self.hidden.is_none_or(|hidden| step.is_hidden() == hidden)
            && self.matches_end(step.complete_at.as_ref(), step.results.as_ref())
            && match &self.name_or_number {
                None => true,
                Some(NameOrNumber::Name(name)) => step.name == *name,
                Some(NameOrNumber::Number(number)) => step.number == *number,
            }
    }

    fn matches_log(&self, log: &log::Model, buildid: Option<BuildId>) -> bool {
        self.buildid.is_none_or(|id| buildid == Some(id))
            && self.stepid.is_none_or(|id| log.stepid == id)
            && self.logid.is_none_or(|id| log.id == id)
            && self
                .complete
                .is_none_or(|complete| log.is_complete() == complete)
    }

    fn matches_end(
        &self,
        complete_at: Option<&UncheckedInt>,
        results: Option<&UncheckedInt>,
    ) -> bool {
        let code = results.and_then(UncheckedInt::int);
        self.complete
            .is_none_or(|complete| complete_at.is_some() == complete)
            && self
                .results
                .is_none_or(|set| set.contains(code.and_then(Results::from_code)))
    }

    /// What a snapshot shows. `kinds` is left out: it is about changes, and a snapshot shows the
    /// present state.
    pub(crate) fn snapshot(&self) -> SnapshotQuery {
        let asks = |noun| self.nouns.contains(noun);
        let builder = self.builder_filter();
        let narrows = self.builderid.is_some() || self.asks_for_labels();
        SnapshotQuery {
            builders: (asks(Noun::Builder) && !self.is_within_builder()).then(|| builder.clone()),
            builds: (asks(Noun::Build) && !self.is_within_build()).then(|| self.build_filter()),
            steps: (asks(Noun::Step) && self.logid.is_none()).then(|| self.step_filter()),
            logs: asks(Noun::Log).then(|| self.log_filter()),
            of_builders: narrows.then_some(builder),
        }
    }

    fn builder_filter(&self) -> Filter<BuilderField> {
        all_of([
            self.builderid.map(|id| is(BuilderField::Builderid, id.0)),
            self.builder_name
                .clone()
                .map(|name| Filter::Field(BuilderField::Name, Test::Eq(Value::Text(name)))),
            self.tag
                .clone()
                .map(|tag| Filter::Field(BuilderField::Tags, Test::Contains(tag))),
        ])
    }

    fn build_filter(&self) -> Filter<BuildField> {
        all_of([
            self.buildid.map(|id| is(BuildField::Buildid, id.0)),
            self.complete
                .map(|complete| is_set(BuildField::CompleteAt, complete)),
            self.results.map(|set| set.filter(BuildField::Results)),
        ])
    }

    fn step_filter(&self) -> Filter<StepField> {
        let which = self.name_or_number.as_ref().map(NameOrNumber::test);
        all_of([
            self.buildid.map(|id| is(StepField::Buildid, id.0)),
            self.stepid.map(|id| is(StepField::Stepid, id.0)),
            which.map(|(field, test)| Filter::Field(field, test)),
            self.hidden
                .map(|hidden| is(StepField::Hidden, hidden.into())),
            self.complete
                .map(|complete| is_set(StepField::CompleteAt, complete)),
            self.results.map(|set| set.filter(StepField::Results)),
        ])
    }

    fn log_filter(&self) -> Filter<LogField> {
        let complete = self.complete.map(|complete| {
            let unfinished = is(LogField::Complete, 0);
            if complete {
                unfinished.negate()
            } else {
                unfinished
            }
        });
        all_of([
            self.buildid.map(|id| is(LogField::Buildid, id.0)),
            self.stepid.map(|id| is(LogField::Stepid, id.0)),
            self.logid.map(|id| is(LogField::Logid, id.0)),
            complete,
        ])
    }
}

fn is<F>(field: F, value: i32) -> Filter<F> {
    Filter::Field(field, Test::Eq(Value::Int(value.into())))
}

fn is_set<F>(field: F, is_set: bool) -> Filter<F> {
    let is_null = Filter::Field(field, Test::IsNull);
    if is_set { is_null.negate() } else { is_null }
}

fn all_of<F, const N: usize>(parts: [Option<Filter<F>>; N]) -> Filter<F> {
    Filter::All(parts.into_iter().flatten().collect())
}
