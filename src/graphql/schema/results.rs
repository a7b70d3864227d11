//! The enum Results, as GraphQL shows it.

use async_graphql::Enum;

use crate::{
    domain::results,
    graphql::schema::plain::{name_of, plain_leaf},
    store::unchecked_int::UncheckedInt,
};

/// Buildbot's result codes, 0 to 6 in this order.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "results::Results")]
pub(crate) enum Results {
    /// 0: it did what it should.
    Success,
    /// 1: it did what it should, with warnings.
    Warnings,
    /// 2: it failed.
    Failure,
    /// 3: it was not run, because nothing called for it.
    Skipped,
    /// 4: an error in Buildbot itself, not in what was built.
    Exception,
    /// 5: it is to be tried again, for example because the worker was lost.
    Retry,
    /// 6: it was stopped on request.
    Cancelled,
}

impl Results {
    /// Reads a column that may hold anything; `None` for all but the seven codes.
    pub(crate) fn from_column(column: Option<&UncheckedInt>) -> Option<Self> {
        column?
            .int()
            .and_then(results::Results::from_code)
            .map(Self::from)
    }
}

plain_leaf! {
    [] Results, |value, out| out.value(name_of(*value));
}
