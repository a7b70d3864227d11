//! The enum Results, as GraphQL shows it.

use async_graphql::Enum;

use crate::{domain::results, store::unchecked_int::UncheckedInt};

/// Buildbot's result codes, 0 to 6 in this order.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "results::Results")]
pub(crate) enum Results {
    Success,
    Warnings,
    Failure,
    Skipped,
    Exception,
    Retry,
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
