//! Which pages may open what a browser lets any page open: sockets and event streams.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::graphql::Refusal;
use crate::config::HttpConfig;

/// Lets through what is no browser's page, or a page of this server, or of an origin that was allowed.
pub(super) fn check(headers: &HeaderMap, config: &HttpConfig) -> Result<(), Refusal> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    if config.admits(origin.as_bytes(), host) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "Origin: only pages of this server and of --allow-origin may do this",
    ))
}
