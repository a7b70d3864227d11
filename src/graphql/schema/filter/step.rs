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

/// Which steps. All given conditions hold together; an empty input matches every step.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct StepFilter {
    stepid: Option<IntFilter>,
    buildid: Option<IntFilter>,
    number: Option<IntFilter>,
    name: Option<StringFilter>,
    state_string: Option<StringFilter>,
    started_at: Option<DateTimeFilter>,
    locks_acquired_at: Option<DateTimeFilter>,
    complete_at: Option<DateTimeFilter>,
    complete: Option<bool>,
    hidden: Option<bool>,
    results: Option<ResultsFilter>,
    and: Option<Vec<StepFilter>>,
    or: Option<Vec<StepFilter>>,
    not: Option<Box<StepFilter>>,
}

impl From<StepFilter> for Filter<StepField> {
    fn from(f: StepFilter) -> Self {
        let mut conditions = Conditions::new();
        conditions.test_int(StepField::Stepid, f.stepid);
        conditions.test_int(StepField::Buildid, f.buildid);
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
