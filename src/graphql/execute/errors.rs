//! The errors of a response: each gets its code, and internal causes go to the log alone.
//!
//! An error's code is a typed value in its `source` until it is written; it is never read back from
//! the extensions.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, PathSegment, Pos, ServerError};

use crate::{
    domain::error::{Error, ErrorCode},
    graphql::{execute::response_code::ResponseCode, schema::scalar::Breach},
    metrics::{Metrics, labels::ErrorLabels},
};

/// How many errors a response tells: each takes more than the field that it stands for.
const MAX_ERRORS: usize = 100;
/// The longest message, in characters.
const MAX_MESSAGE_CHARS: usize = 1_000;

/// Adds the id of one request to its errors, and counts them.
#[derive(Clone, Debug)]
pub(crate) struct ErrorSigner {
    /// Empty if one response goes to many subscribers, who have ids of their own.
    pub(crate) request_id: Arc<str>,
    pub(crate) metrics: Arc<Metrics>,
}

impl ErrorSigner {
    /// Puts the request's id into each error's extensions, and counts the error by its code.
    pub(crate) fn sign(&self, errors: &mut [ServerError]) {
        for error in errors {
            if let Some(code) = code_of(error) {
                let code = code.name().to_owned();
                let count = self.metrics.errors.get_or_create(&ErrorLabels { code });
                count.inc();
            }
            shorten(&mut error.message);
            if self.request_id.is_empty() {
                // They ask the same in other words, so the places are those of one of them.
                error.locations.clear();
            } else {
                let extensions = error.extensions.get_or_insert_default();
                extensions.set("requestId", &*self.request_id);
            }
        }
    }

    /// Signs one error.
    pub(crate) fn signed(&self, mut error: ServerError) -> ServerError {
        self.sign(std::slice::from_mut(&mut error));
        error
    }
}

/// Cuts a message, which may quote a value as long as the request: one error for each row would
/// multiply it.
fn shorten(message: &mut String) {
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE_CHARS) {
        message.truncate(end);
        message.push_str("...");
    }
}

/// The code that an error was made with.
fn code_of(error: &ServerError) -> Option<ResponseCode> {
    let ours = error.source::<Error>().map(|source| source.code().into());
    ours.or_else(|| error.source::<ResponseCode>().copied())
}

/// What stands for an error that many fields of a response have: each takes memory, and only the
/// first is told.
#[derive(Clone, Copy, Debug)]
struct Repeated;

/// The error of a field whose like another field had already.
pub(crate) fn repeated() -> ServerError {
    let mut error = ServerError::new(String::new(), None);
    error.source = Some(Arc::new(Repeated));
    error
}

/// Leaves out the errors that an answer need not tell, and classifies the others, once they have
/// made their fields null.
pub(crate) fn settle(errors: &mut Vec<ServerError>, otherwise: ResponseCode) {
    let failed = errors.len();
    errors.retain(|error| error.source::<Repeated>().is_none());
    errors.truncate(MAX_ERRORS);
    // Most responses have none, and keep none in memory.
    errors.shrink_to_fit();
    classify(errors, otherwise);
    let left_out = failed - errors.len();
    if let Some(last) = errors.last()
        && left_out > 0
    {
        let mut more = last.clone();
        more.message = format!("{left_out} more fields failed");
        more.path.clear();
        more.locations.clear();
        errors.push(more);
    }
}

/// Writes the code into each error's extensions. `otherwise` is the code for the library's own
/// errors, which have none: their meaning depends on whether the operation had begun.
pub(crate) fn classify(errors: &mut [ServerError], otherwise: ResponseCode) {
    for error in errors {
        let mut extensions = error.extensions.take().unwrap_or_default();
        // A panic's error has its code already; describing it again would log it twice.
        if extensions.get("code").is_none() {
            if let Some(source) = error.source::<Error>() {
                describe(source, &error.path, &mut extensions);
            } else if error.source::<ResponseCode>().is_none() {
                error.source = Some(Arc::new(otherwise));
            }
            let code = code_of(error).unwrap_or(otherwise);
            extensions.set("code", code.name());
        }
        error.extensions = Some(extensions);
    }
}

/// Writes the details of an error; logs an internal cause, which callers must not see.
fn describe(source: &Error, path: &[PathSegment], extensions: &mut ErrorExtensionValues) {
    match source {
        Error::Invalid { argument, .. } => extensions.set("argument", argument.as_str()),
        Error::LimitExceeded {
            limit, max, asked, ..
        } => {
            extensions.set("limit", *limit);
            extensions.set("max", *max);
            if let Some(asked) = asked {
                extensions.set("asked", *asked);
            }
        }
        Error::TooLarge { limit, max, .. } => {
            extensions.set("limit", *limit);
            extensions.set("max", *max);
        }
        Error::TooManyAtOnce {
            limit,
            max,
            seconds,
            ..
        } => {
            extensions.set("limit", *limit);
            extensions.set("max", *max);
            extensions.set("retryAfter", *seconds);
        }
        Error::RateLimited { max, seconds, .. } => {
            extensions.set("limit", "rate-points");
            extensions.set("max", *max);
            extensions.set("retryAfter", *seconds);
        }
        Error::Internal(cause) => tracing::error!(%cause, ?path, "a field failed"),
        _ => {}
    }
}

/// Converts one of our errors into an error of a response.
pub(crate) fn from_error(error: &Error) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    describe(error, &[], &mut extensions);
    extensions.set("code", error.code().name());
    let mut answer = ServerError::new(error.to_string(), None);
    answer.source = Some(Arc::new(error.clone()));
    answer.extensions = Some(extensions);
    answer
}

/// An error of the request itself, found before anything ran.
pub(crate) fn request_error(message: impl Into<String>, code: ResponseCode) -> ServerError {
    let mut error = ServerError::new(message, None);
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("code", code.name());
    error.source = Some(Arc::new(code));
    error
}

/// A value that its position does not take; `path` names the argument or the variable.
pub(crate) fn invalid_value(breach: Breach, path: &str, rule: &str, pos: Pos) -> ServerError {
    let code = match breach {
        Breach::Type => ResponseCode::ValidationFailed,
        Breach::Scalar => ErrorCode::BadUserInput.into(),
    };
    let mut error = located(&format!("{path}: {rule}"), code, pos);
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("argument", path);
    error
}

/// A document that does not fit the schema.
pub(crate) fn invalid_document(message: &str, pos: Pos) -> ServerError {
    located(message, ResponseCode::ValidationFailed, pos)
}

/// A document that is not GraphQL.
pub(crate) fn parse_failed(message: &str, pos: Pos) -> ServerError {
    located(message, ResponseCode::ParseFailed, pos)
}

/// Introspection that asks for lists in lists in lists.
pub(crate) fn introspection_too_deep(pos: Pos) -> ServerError {
    let message =
        "introspection: lists of types, fields, arguments and values may nest three deep, got more";
    located(message, ErrorCode::LimitExceeded.into(), pos)
}

fn located(message: &str, code: ResponseCode, pos: Pos) -> ServerError {
    let mut error = request_error(message, code);
    error.locations.push(pos);
    error
}

/// A document beyond a limit: the flag and its value, how many (`asked`) of `what` it has, advice
/// to the client, and where the limit is exceeded.
pub(crate) fn limit(
    limit: &str,
    max: u64,
    asked: u64,
    what: &str,
    advice: &str,
    at: &[Pos],
) -> ServerError {
    let message = format!("{limit} is {max}, and this has {asked} {what}: {advice}");
    let mut error = request_error(message, ErrorCode::LimitExceeded.into());
    error.locations.extend(at);
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("limit", limit);
    extensions.set("max", max);
    extensions.set("asked", asked);
    error
}
