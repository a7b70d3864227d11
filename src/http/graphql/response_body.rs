//! The JSON body of a GraphQL response.

use std::collections::BTreeMap;

use async_graphql::{ServerError, Value};
use serde::Serialize;

use crate::graphql::execute::outcome::Outcome;

/// The body of a response. `data` is absent if nothing was executed; null would mean that
/// execution failed.
#[derive(Serialize)]
pub(crate) struct ResponseBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    extensions: Option<&'a BTreeMap<String, Value>>,
}

impl<'a> ResponseBody<'a> {
    /// The body for an outcome; `None` for a stream, which has many.
    pub(crate) fn of(outcome: &'a Outcome) -> Option<Self> {
        match outcome {
            Outcome::Refused(refusal) => Some(Self::refused(&refusal.errors)),
            Outcome::Executed(response) => Some(Self::executed(response)),
            Outcome::Stream(_) => None,
        }
    }

    /// The body for an operation that was not executed.
    pub(crate) fn refused(errors: &'a [ServerError]) -> Self {
        Self {
            data: None,
            errors,
            extensions: None,
        }
    }

    /// The body for an operation that was executed.
    pub(crate) fn executed(response: &'a async_graphql::Response) -> Self {
        Self {
            data: Some(&response.data),
            errors: &response.errors,
            extensions: (!response.extensions.is_empty()).then_some(&response.extensions),
        }
    }
}
