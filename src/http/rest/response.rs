//! Answers and errors on the wire: status, media type, body.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use mime::Mime;
use serde_json::{Value, json};

use crate::domain::error::{Error, ErrorCode};

/// The media type of every answer.
pub(crate) const MEDIA: &str = "application/json";
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// How much of what the caller sent an error repeats, in characters.
const SHOWN: usize = 80;

/// What went wrong.
#[derive(Debug)]
pub(crate) struct RestError {
    status: StatusCode,
    text: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl RestError {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
            header: None,
        }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// There is no such path, of whatever rows.
    pub(crate) fn no_path(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            format!("there is no path {}", shown(path)),
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
        let status = match error.code() {
            ErrorCode::NotFound => StatusCode::NOT_FOUND,
            ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden => StatusCode::FORBIDDEN,
            ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            // The limit is that of time.
            ErrorCode::Unavailable | ErrorCode::LimitExceeded => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            // The others do not come from reads.
            _ => StatusCode::BAD_REQUEST,
        };
        if let Error::Internal(source) = &error {
            tracing::error!(%source, "a REST request failed");
        }
        let header = match error {
            Error::RateLimited { seconds, .. } => Some((header::RETRY_AFTER, seconds.into())),
            _ => None,
        };
        Self {
            header,
            ..Self::new(status, error.to_string())
        }
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.text }).to_string();
        let mut response = (self.status, [(header::CONTENT_TYPE, JSON)], body).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// A 200 answer, indented where the caller would rather read text.
pub(crate) fn ok(body: &Value, headers: &HeaderMap) -> Response {
    let (media, body) = if wants_text(headers) {
        (TEXT, format!("{body:#}\n"))
    } else {
        (JSON, body.to_string())
    };
    (
        [
            (header::CONTENT_TYPE, media),
            (header::VARY, HeaderValue::from_static("Accept")),
        ],
        body,
    )
        .into_response()
}

/// It asks for `text/plain`, and would not like JSON as much.
fn wants_text(headers: &HeaderMap) -> bool {
    let (mut text, mut json) = (0.0, 0.0);
    for ranges in headers.get_all(header::ACCEPT) {
        for range in ranges.to_str().unwrap_or_default().split(',') {
            let Ok(range) = range.trim().parse::<Mime>() else {
                continue;
            };
            let q = range.get_param("q").and_then(|q| q.as_str().parse().ok());
            let q = q.unwrap_or(1.0_f32);
            match range.essence_str() {
                "text/plain" => text = q.max(text),
                "application/json" => json = q.max(json),
                _ => {}
            }
        }
    }
    text > json
}

/// What the caller sent, quoted, and not more of it than tells.
pub(crate) fn shown(text: &str) -> String {
    if text.chars().nth(SHOWN).is_none() {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start:?}…")
}
