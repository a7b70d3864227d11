//! Gives every error of an answer its code, and keeps what is internal in the log.

use async_graphql::{ErrorExtensionValues, Pos, Response, ServerError};

use crate::error::{Code, Error};

/// The code of a document that is no GraphQL.
pub(crate) const PARSE_FAILED: &str = "GRAPHQL_PARSE_FAILED";
/// The code of a document that this schema cannot answer.
pub(crate) const VALIDATION_FAILED: &str = "GRAPHQL_VALIDATION_FAILED";

/// Puts the code into each error's extensions.
pub(super) fn finish(response: &mut Response) {
    for error in &mut response.errors {
        finish_one(error);
    }
}

fn finish_one(error: &mut ServerError) {
    let mut extensions = error.extensions.take().unwrap_or_default();
    if extensions.get("code").is_none() {
        let code = match error.source::<Error>() {
            Some(source) => {
                describe(source, &error.path, &mut extensions);
                source.code().name()
            }
            // What the library refuses while it executes is an argument that it could not read.
            None if !error.path.is_empty() => Code::BadUserInput.name(),
            None => VALIDATION_FAILED,
        };
        extensions.set("code", code);
    }
    error.extensions = Some(extensions);
}

fn describe(
    source: &Error,
    path: &[async_graphql::PathSegment],
    extensions: &mut ErrorExtensionValues,
) {
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
        Error::Internal(cause) => tracing::error!(%cause, ?path, "a field failed"),
        _ => {}
    }
}

/// A value that its scalar does not take, found before anything ran; `path` names it.
pub(super) fn bad_value(path: &str, rule: &str, pos: Pos) -> ServerError {
    let mut error = refusal(format!("{path}: {rule}"), Code::BadUserInput.name());
    error.locations.push(pos);
    error
        .extensions
        .get_or_insert_default()
        .set("argument", path);
    error
}

/// A document that this schema cannot answer.
pub(super) fn invalid_document(message: &str, pos: Pos) -> ServerError {
    let mut error = refusal(message, VALIDATION_FAILED);
    error.locations.push(pos);
    error
}

/// A document that the parser does not take.
pub(super) fn not_parsed(mut error: ServerError) -> ServerError {
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("code", PARSE_FAILED);
    error
}

/// A document that is no GraphQL.
pub(super) fn parse_failed(message: &str, pos: Pos) -> ServerError {
    let mut error = refusal(message, PARSE_FAILED);
    error.locations.push(pos);
    error
}

/// More than a limit: its flag and value, how many of what there are, what to do about it, and where it is passed.
pub(super) fn limit(
    limit: &str,
    max: u64,
    asked: u64,
    what: &str,
    advice: &str,
    at: &[Pos],
) -> ServerError {
    let message = format!("{limit} is {max}, and this has {asked} {what}: {advice}");
    let mut error = refusal(message, Code::LimitExceeded.name());
    error.locations.extend(at);
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("limit", limit);
    extensions.set("max", max);
    extensions.set("asked", asked);
    error
}

/// An error with a code, for what is refused before anything runs.
pub(crate) fn refusal(message: impl Into<String>, code: &str) -> ServerError {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", code);
    error
}

/// An error of ours as an answer's error.
pub(crate) fn from_error(error: &Error) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    describe(error, &[], &mut extensions);
    extensions.set("code", error.code().name());
    let mut answer = ServerError::new(error.to_string(), None);
    answer.extensions = Some(extensions);
    answer
}
