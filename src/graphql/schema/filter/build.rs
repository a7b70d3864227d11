//! Which builds a `where` asks for, and the translation into `domain::filter`.

use async_graphql::InputObject;

use crate::{
    domain::{build::BuildField, filter::Filter},
    graphql::schema::filter::{
        conditions::Conditions,
        operators::{DateTimeFilter, IntFilter, ResultsFilter, StringFilter},
    },
};

/// Which builds. All given conditions hold together; an empty input matches every build.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct BuildFilter {
    buildid: Option<IntFilter>,
    builderid: Option<IntFilter>,
    number: Option<IntFilter>,
    workerid: Option<IntFilter>,
    state_string: Option<StringFilter>,
    started_at: Option<DateTimeFilter>,
    complete_at: Option<DateTimeFilter>,
    complete: Option<bool>,
    results: Option<ResultsFilter>,
    and: Option<Vec<BuildFilter>>,
    or: Option<Vec<BuildFilter>>,
    not: Option<Box<BuildFilter>>,
}

impl From<BuildFilter> for Filter<BuildField> {
    fn from(f: BuildFilter) -> Self {
        let mut conditions = Conditions::new();
        conditions.test_int(BuildField::Buildid, f.buildid);
        conditions.test_int(BuildField::Builderid, f.builderid);
        conditions.test_int(BuildField::Number, f.number);
        conditions.test_int(BuildField::Workerid, f.workerid);
        conditions.test_text(BuildField::StateString, f.state_string);
        conditions.test_time(BuildField::StartedAt, f.started_at);
        conditions.test_time(BuildField::CompleteAt, f.complete_at);
        conditions.test_complete(BuildField::CompleteAt, f.complete);
        conditions.test_results(BuildField::Results, f.results);
        conditions.combine(f.and, f.or, f.not);
        conditions.into_filter()
    }
}
