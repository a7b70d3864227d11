//! Headers that answers share: browser security, caching, and the caller's rate limit.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::{auth::request_context::RequestContext, graphql::api::Api};

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

type SetHeader = SetResponseHeaderLayer<HeaderValue>;

/// What restricts browsers, in every answer that has not set its own.
const SECURITY: [(HeaderName, HeaderValue); 4] = [
    // For answers that are not pages: a browser must render and run nothing from them.
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    // Pages of allowed origins make CORS requests, which this does not apply to.
    (RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];

/// Sets the headers that restrict browsers, unless the route has set its own.
pub(crate) fn restrict_browsers(headers: &mut HeaderMap, is_tls: bool) {
    let one_year = HeaderValue::from_static("max-age=31536000");
    let only_tls = is_tls.then_some((header::STRICT_TRANSPORT_SECURITY, one_year));
    for (name, value) in SECURITY.into_iter().chain(only_tls) {
        headers.entry(name).or_insert(value);
    }
}

/// Forbids caches to store an answer.
pub(crate) fn no_store() -> SetHeader {
    SetHeader::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// Reports the caller's remaining points, and forbids caches to store the answer.
pub(crate) fn report_points(api: &Api, context: &RequestContext, response: &mut Response) {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    // Read after the handler ran, so that the request's own cost is included.
    if let Some(status) = api.app().rate_limiter.status(context) {
        let (max, window) = (status.max, status.window);
        let (left, full_in) = (status.left, status.full_in);
        for (name, text) in [
            (RATE_LIMIT_POLICY, format!("\"points\";q={max};w={window}")),
            (RATE_LIMIT, format!("\"points\";r={left};t={full_in}")),
        ] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }
}
