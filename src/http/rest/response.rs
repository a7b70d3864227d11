//! Answers and errors on the wire: status, media type, body.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    domain::error::Error,
    http::{
        accept,
        error_status::{retry_after, status_of_error},
    },
    memory::{
        MemoryBudget,
        answer_bytes::{indented_json_bytes, json_bytes},
    },
};

/// The media type of every answer.
pub(crate) const MEDIA: &str = "application/json";
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// How much of the caller's input an error quotes, in characters.
const MAX_QUOTE: usize = 80;

/// An answer that is an error.
#[derive(Debug)]
pub(crate) struct RestError {
    status: StatusCode,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl RestError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            header: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The path has none of the known forms.
    pub(crate) fn unknown_path(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            format!("there is no path {}", quote(path)),
        )
    }

    pub(crate) fn method_not_allowed(allow: HeaderValue) -> Self {
        Self {
            header: Some((header::ALLOW, allow)),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET, HEAD and OPTIONS here; changes are GraphQL mutations",
            )
        }
    }
}

impl From<Error> for RestError {
    fn from(error: Error) -> Self {
        if let Error::Internal(source) = &error {
            // The client gets no details, so the log must have them.
            tracing::error!(%source, "a REST request failed");
        }
        Self {
            header: retry_after(&error).map(|after| (header::RETRY_AFTER, after)),
            ..Self::new(status_of_error(&error), error.to_string())
        }
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.message }).to_string();
        let mut response = (self.status, [(header::CONTENT_TYPE, JSON)], body).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// Answers with 200, in indented JSON where the client prefers text.
///
/// # Errors
/// `TooLarge`, and why there is no memory for it.
pub(crate) fn ok(
    body: &Value,
    headers: &HeaderMap,
    max_text_bytes: u64,
    memory: &MemoryBudget,
) -> Result<Response, RestError> {
    let prefers_text =
        accept::quality(headers, "text/plain") > accept::quality(headers, "application/json");
    let bytes = if prefers_text {
        indented_json_bytes(body, max_text_bytes)?
    } else {
        json_bytes(body, max_text_bytes)?
    };
    // It is held until it is sent by the layer that sends it.
    memory.reserve(bytes)?;
    let mut json = Vec::with_capacity(bytes + 1);
    let written = if prefers_text {
        serde_json::to_writer_pretty(&mut json, body)
    } else {
        serde_json::to_writer(&mut json, body)
    };
    written.map_err(Error::internal)?;
    let media = if prefers_text {
        json.push(b'\n');
        TEXT
    } else {
        JSON
    };
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::VARY, HeaderValue::from_static("Accept")),
    ];
    Ok((headers, json).into_response())
}

/// Quotes the caller's input, shortened.
pub(crate) fn quote(text: &str) -> String {
    if text.chars().nth(MAX_QUOTE).is_none() {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(MAX_QUOTE).collect();
    format!("{start:?}…")
}
