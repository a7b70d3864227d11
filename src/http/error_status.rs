//! The HTTP status of each error code.

use axum::http::{HeaderValue, StatusCode};

use crate::domain::error::{Error, ErrorCode};

/// Returns the status of an answer that consists of a single error.
pub(crate) fn status_of_error(error: &Error) -> StatusCode {
    match error {
        Error::TooManyAtOnce { .. } => StatusCode::TOO_MANY_REQUESTS,
        // It would be the same at any other time.
        Error::TooLarge { .. } => StatusCode::BAD_REQUEST,
        _ => status_of(error.code()),
    }
}

/// The value of `Retry-After` for an error that says when to try again.
pub(crate) fn retry_after(error: &Error) -> Option<HeaderValue> {
    error.retry_seconds().map(HeaderValue::from)
}

/// Returns the status of an answer that consists of a single error with this code.
pub(crate) fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        // The limits that a request meets after it was accepted are those of time and memory.
        ErrorCode::Unavailable | ErrorCode::LimitExceeded => StatusCode::SERVICE_UNAVAILABLE,
        // An idempotency key that another request has.
        ErrorCode::Conflict => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::BadUserInput
        // Only writes and subscriptions fail with these; their errors never become a status.
        | ErrorCode::CursorExpired
        | ErrorCode::FeedLagged
        | ErrorCode::FeedDetached
        | ErrorCode::ReadOnly
        | ErrorCode::OutcomeUnknown => StatusCode::BAD_REQUEST,
    }
}
