//! Which pages may open what a browser lets any page open: sockets and event streams.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::graphql::Refusal;
use crate::config::{AllowedOrigin, HttpConfig};

/// Lets through what is no browser's page, or a page of this server, or of an origin that was allowed.
pub(super) fn check(headers: &HeaderMap, config: &HttpConfig) -> Result<(), Refusal> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    if is_own(origin, headers) || is_allowed(origin, config) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "Origin: only pages of this server and of --allow-origin may do this",
    ))
}

fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .is_some_and(|(_, from)| Some(from.as_bytes()) == host)
}

fn is_allowed(origin: &HeaderValue, config: &HttpConfig) -> bool {
    config.allow_origin.iter().any(|allowed| match allowed {
        AllowedOrigin::Any => true,
        AllowedOrigin::Exact(exact) => origin.as_bytes() == exact.as_bytes(),
    })
}
