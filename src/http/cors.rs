//! Which pages may do what a browser lets no page do unasked: read our answers, and what it lets any page do: open
//! sockets and event streams.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{config::http::HttpConfig, graphql::api::Api, http::graphql::refusal::HttpRefusal};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");
/// What a page may send.
const SENT: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, GraphQL-Cost, GraphQL-Require-Preflight, Last-Event-ID, X-Request-Id",
);
/// What a page may read of an answer's headers.
const SHOWN: HeaderValue =
    HeaderValue::from_static("Allow, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id");
/// For how many seconds a browser may remember what it was told.
const REMEMBERED: HeaderValue = HeaderValue::from_static("3600");

/// Lets through what is no browser's page, or a page of this server, or of an origin that was allowed: which it is.
pub(crate) fn check(
    headers: &HeaderMap,
    config: &HttpConfig,
) -> Result<Option<HeaderValue>, HttpRefusal> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(None);
    };
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    if config.allows_origin(origin.as_bytes(), host) {
        return Ok(Some(origin.clone()));
    }
    Err(HttpRefusal::new(
        StatusCode::FORBIDDEN,
        "Origin: only pages of this server and of --allow-origin may do this",
    ))
}

/// Tells a browser which pages may read the answer; the others are told nothing.
pub(crate) async fn share(State(api): State<Api>, request: Request, next: Next) -> Response {
    let origin = check(request.headers(), &api.app().config.http);
    let is_preflight = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Ok(Some(origin)) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if is_preflight {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, SENT);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
        } else {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
        }
    }
    response
}

/// OPTIONS: the methods.
pub(crate) async fn options() -> Response {
    let allow: [(HeaderName, HeaderValue); 1] = [(header::ALLOW, METHODS)];
    (StatusCode::NO_CONTENT, allow).into_response()
}
