//! The outcome of an operation: a value made where it is decided, and passed on unchanged.
//! Transports derive statuses, message types and metrics from it.

use std::sync::Arc;

use async_graphql::ServerError;
use futures_util::stream::BoxStream;

use crate::{
    domain::error::{Error, ErrorCode},
    graphql::execute::{
        answer::{Answer, refusal_json},
        errors::from_error,
    },
};

/// The outcome of an operation.
pub(crate) enum Outcome {
    /// Nothing was executed.
    Refused(Refusal),
    /// A query or a mutation ran; fields of it may have failed.
    Executed(Box<Answer>),
    /// A subscription has begun.
    Stream(BoxStream<'static, Update>),
}

impl Outcome {
    /// What it answers, as JSON; `None` for a stream, which has many answers.
    pub(crate) fn into_json(self) -> Option<Vec<u8>> {
        match self {
            Self::Refused(refusal) => Some(refusal_json(&refusal.errors)),
            Self::Executed(answer) => Some(answer.into_json()),
            Self::Stream(_) => None,
        }
    }
}

/// Why an operation was not executed. Its errors are the request's, not a field's.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) errors: Vec<ServerError>,
    pub(crate) cause: RefusalCause,
}

/// What an operation was refused for.
#[derive(Debug)]
pub(crate) enum RefusalCause {
    /// The request: its document, its variables or its cost.
    Request,
    /// The caller or its rate: every transport reports this in its own terms.
    Admission(Error),
    /// A subscription that was to be resumed cannot be yet.
    Interrupted(Interruption),
}

/// A subscription ends through no fault of its client, which can resume it. Each transport ends it
/// in a way that makes clients do so by themselves.
#[derive(Clone, Debug)]
pub(crate) struct Interruption {
    pub(crate) code: ErrorCode,
    /// Where to resume; `None` for a client that begins afresh, with a snapshot.
    pub(crate) cursor: Option<String>,
}

impl Refusal {
    /// Refuses a caller that has no access, or has to wait.
    pub(crate) fn admission(error: Error) -> Self {
        Self {
            errors: vec![from_error(&error)],
            cause: RefusalCause::Admission(error),
        }
    }

    /// Refuses the request. A path would claim that a field had been executed.
    pub(crate) fn request(mut errors: Vec<ServerError>) -> Self {
        for error in &mut errors {
            error.path.clear();
        }
        Self {
            errors,
            cause: RefusalCause::Request,
        }
    }
}

impl From<ServerError> for Refusal {
    fn from(error: ServerError) -> Self {
        Self::request(vec![error])
    }
}

impl From<Vec<ServerError>> for Refusal {
    fn from(errors: Vec<ServerError>) -> Self {
        Self::request(errors)
    }
}

/// What a subscription sends.
pub(crate) enum Update {
    /// A response in JSON.
    Next {
        /// The object with `data` and perhaps `errors`, shared by all members of a subscription.
        payload: Arc<str>,
        /// A client with this payload has everything up to here; `None` within a snapshot.
        cursor: Option<String>,
    },
    /// The stream ends here, with these errors.
    Failed(Vec<ServerError>),
    /// The same, where the client can resume.
    Interrupted(Vec<ServerError>, Interruption),
}
