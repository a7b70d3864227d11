//! Which steps a `where` asks for, and the translation into `domain::filter`.

use async_graphql::InputObject;

use crate::{
    domain::{
        filter::{Filter, Test, Value},
        step::StepField,
    },
    graphql::schema::filter::{
        conditions::Conditions,
        operators::{DateTimeFilter, IntFilter, ResultsFilter, StringFilter},
    },
};

/// Which steps. All given conditions hold together; an empty input matches every step. At most 1,000 conditions and values in all, with `and`, `or` and `not` at most 20 deep.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct StepFilter {
    /// The unique ID.
    stepid: Option<IntFilter>,
    /// The ID of the build that it belongs to.
    buildid: Option<IntFilter>,
    /// The ID of the builder of its build; null where that build is missing.
    builderid: Option<IntFilter>,
    /// The name of the builder of its build.
    builder_name: Option<StringFilter>,
    /// The number within the build, from 0.
    number: Option<IntFilter>,
    /// The name within the build.
    name: Option<StringFilter>,
    /// What it is doing or did, in a line.
    state_string: Option<StringFilter>,
    /// When it started; null until then.
    started_at: Option<DateTimeFilter>,
    /// When it had all its locks; null until then.
    locks_acquired_at: Option<DateTimeFilter>,
    /// When it was completed; null until then.
    complete_at: Option<DateTimeFilter>,
    /// True: steps with a time of completion. False: those without.
    complete: Option<bool>,
    /// True: steps that should not be displayed. False: those that should.
    hidden: Option<bool>,
    /// How it ended; null until then.
    results: Option<ResultsFilter>,
    /// All of these match; an empty list matches every step.
    and: Option<Vec<StepFilter>>,
    /// At least one of these matches; an empty list matches no step.
    or: Option<Vec<StepFilter>>,
    /// This does not match. Every step matches either a filter or its `not`.
    not: Option<Box<StepFilter>>,
}

impl From<StepFilter> for Filter<StepField> {
    fn from(f: StepFilter) -> Self {
        let mut conditions = Conditions::new();
        conditions.test_int(StepField::Stepid, f.stepid);
        conditions.test_int(StepField::Buildid, f.buildid);
        conditions.test_int(StepField::Builderid, f.builderid);
        conditions.test_text(StepField::BuilderName, f.builder_name);
        conditions.test_int(StepField::Number, f.number);
        conditions.test_text(StepField::Name, f.name);
        conditions.test_text(StepField::StateString, f.state_string);
        conditions.test_time(StepField::StartedAt, f.started_at);
        conditions.test_time(StepField::LocksAcquiredAt, f.locks_acquired_at);
        conditions.test_time(StepField::CompleteAt, f.complete_at);
        conditions.test_complete(StepField::CompleteAt, f.complete);
        conditions.test_results(StepField::Results, f.results);
        if let Some(hidden) = f.hidden {
            let shown = Filter::Field(StepField::Hidden, Test::Eq(Value::Int(0)));
            // Any integer but 0 counts as hidden.
            conditions.push(if hidden { shown.negate() } else { shown });
        }
        conditions.combine(f.and, f.or, f.not);
        conditions.into_filter()
    }
}
