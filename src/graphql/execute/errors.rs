//! Gives every error of an answer its code, and keeps what is internal in the log.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Pos, Response, ServerError, Value};

use crate::{
    domain::error::{Error, ErrorCode},
    metrics::{Metrics, labels::ErrorLabels},
};

/// The code of a document that is no GraphQL.
pub(crate) const PARSE_FAILED: &str = "GRAPHQL_PARSE_FAILED";
/// The code of a document that this schema cannot answer.
pub(crate) const VALIDATION_FAILED: &str = "GRAPHQL_VALIDATION_FAILED";

/// What every error is marked with on its way to one who asked.
#[derive(Clone, Debug)]
pub(crate) struct ErrorSigner {
    /// The request's name; empty where an answer goes to many.
    pub(crate) name: Arc<str>,
    pub(crate) metrics: Arc<Metrics>,
}

impl ErrorSigner {
    /// Puts the request's name into each error's extensions, and counts it.
    pub(crate) fn sign(&self, errors: &mut [ServerError]) {
        for error in errors {
            let extensions = error.extensions.get_or_insert_default();
            if let Some(Value::String(code)) = extensions.get("code") {
                let code = code.clone();
                let count = self.metrics.errors.get_or_create(&ErrorLabels { code });
                count.inc();
            }
            if !self.name.is_empty() {
                extensions.set("requestId", &*self.name);
            }
        }
    }

    /// The same for one.
    pub(crate) fn signed(&self, mut error: ServerError) -> ServerError {
        self.sign(std::slice::from_mut(&mut error));
        error
    }
}

/// Puts the code into each error's extensions.
pub(crate) fn finish(response: &mut Response) {
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
            None if !error.path.is_empty() => ErrorCode::BadUserInput.name(),
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
        Error::RateLimited { max, seconds, .. } => {
            extensions.set("limit", "rate-points");
            extensions.set("max", *max);
            extensions.set("retryAfter", *seconds);
        }
        Error::Internal(cause) => tracing::error!(%cause, ?path, "a field failed"),
        _ => {}
    }
}

/// A value that its scalar does not take, found before anything ran; `path` names it.
pub(crate) fn bad_value(path: &str, rule: &str, pos: Pos) -> ServerError {
    let mut error = refusal(format!("{path}: {rule}"), ErrorCode::BadUserInput.name());
    error.locations.push(pos);
    error
        .extensions
        .get_or_insert_default()
        .set("argument", path);
    error
}

/// A document that this schema cannot answer.
pub(crate) fn invalid_document(message: &str, pos: Pos) -> ServerError {
    let mut error = refusal(message, VALIDATION_FAILED);
    error.locations.push(pos);
    error
}

/// A document that the parser does not take.
pub(crate) fn not_parsed(mut error: ServerError) -> ServerError {
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("code", PARSE_FAILED);
    error
}

/// A document that is no GraphQL.
pub(crate) fn parse_failed(message: &str, pos: Pos) -> ServerError {
    let mut error = refusal(message, PARSE_FAILED);
    error.locations.push(pos);
    error
}

/// More than a limit: its flag and value, how many of what there are, what to do about it, and where it is passed.
pub(crate) fn limit(
    limit: &str,
    max: u64,
    asked: u64,
    what: &str,
    advice: &str,
    at: &[Pos],
) -> ServerError {
    let message = format!("{limit} is {max}, and this has {asked} {what}: {advice}");
    let mut error = refusal(message, ErrorCode::LimitExceeded.name());
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
