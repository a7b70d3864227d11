//! Headers of every answer: what a browser may do with it, and how the caller stands with its points.

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};

use crate::{auth::request_context::RequestContext, graphql::api::Api};

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const RATE: HeaderName = HeaderName::from_static("ratelimit");
const RATE_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Of what is no page, a browser is to show nothing and run nothing.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// For a year.
const ONLY_TLS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds what a browser has to know, where the route has not said it.
pub(crate) async fn secure(State(api): State<Api>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    add(headers, header::CONTENT_SECURITY_POLICY, NOTHING);
    add(
        headers,
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    add(
        headers,
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    // Pages of allowed origins ask with CORS, which this does not concern.
    add(
        headers,
        RESOURCE_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    if api.app().config.connection.is_tls() {
        add(headers, header::STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    }
    response
}

/// Tells what the caller may still spend, and that the answer is nobody else's.
pub(crate) async fn rate(
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
    add(
        headers,
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    );
    if let Some(standing) = api.app().rate_limiter.status(&context) {
        let (max, window) = (standing.max, standing.window);
        let (left, full_in) = (standing.left, standing.full_in);
        for (name, text) in [
            (RATE_POLICY, format!("\"points\";q={max};w={window}")),
            (RATE, format!("\"points\";r={left};t={full_in}")),
        ] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }
    response
}

fn add(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.entry(name).or_insert(value);
}
