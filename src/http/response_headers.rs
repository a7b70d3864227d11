//! Headers that answers share: browser security, caching, and the caller's rate limit.

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::{auth::request_context::RequestContext, graphql::api::Api};

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

type SetHeader<V = HeaderValue> = SetResponseHeaderLayer<V>;

/// Sets the headers that restrict browsers, unless the route has set its own.
///
/// The last layer of the tuple is the innermost, so its header comes first.
pub(crate) fn security(
    is_tls: bool,
) -> (
    SetHeader<Option<HeaderValue>>,
    SetHeader,
    SetHeader,
    SetHeader,
    SetHeader,
) {
    let set = |name, value| SetHeader::if_not_present(name, HeaderValue::from_static(value));
    let one_year = is_tls.then_some(HeaderValue::from_static("max-age=31536000"));
    (
        SetHeader::if_not_present(header::STRICT_TRANSPORT_SECURITY, one_year),
        // Pages of allowed origins make CORS requests, which this does not apply to.
        set(RESOURCE_POLICY, "same-origin"),
        set(header::REFERRER_POLICY, "no-referrer"),
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // For answers that are not pages: a browser must render and run nothing from them.
        set(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    )
}

/// Forbids caches to store an answer.
pub(crate) fn no_store() -> SetHeader {
    SetHeader::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// Reports the caller's remaining points, and forbids caches to store the answer.
pub(crate) async fn rate_limit(
    State(api): State<Api>,
    Extension(context): Extension<RequestContext>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return response;
    }
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    // Read after the handler ran, so that the request's own cost is included.
    if let Some(status) = api.app().rate_limiter.status(&context) {
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
    response
}
