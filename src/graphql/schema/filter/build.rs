//! Which builds a `where` asks for, and the translation into `domain::filter`.

use async_graphql::InputObject;

use crate::{
    domain::{build::BuildField, filter::Filter},
    graphql::schema::filter::{
        conditions::Conditions,
        operators::{DateTimeFilter, IntFilter, ResultsFilter, StringFilter},
    },
};

/// Which builds. All given conditions hold together; an empty input matches every build. At most 1,000 conditions and values in all, with `and`, `or` and `not` at most 20 deep.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct BuildFilter {
    /// The unique ID.
    buildid: Option<IntFilter>,
    /// The ID of the builder that it belongs to.
    builderid: Option<IntFilter>,
    /// The number within the builder.
    number: Option<IntFilter>,
    /// The ID of the worker that it runs on, on a Buildbot master's database.
    workerid: Option<IntFilter>,
    /// What it is doing or did, in a line.
    state_string: Option<StringFilter>,
    /// When it started.
    started_at: Option<DateTimeFilter>,
    /// When it was completed; null until then.
    complete_at: Option<DateTimeFilter>,
    /// True: builds with a time of completion. False: those without.
    complete: Option<bool>,
    /// How it ended; null until then.
    results: Option<ResultsFilter>,
    /// All of these match; an empty list matches every build.
    and: Option<Vec<BuildFilter>>,
    /// At least one of these matches; an empty list matches no build.
    or: Option<Vec<BuildFilter>>,
    /// This does not match. Every build matches either a filter or its `not`.
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
