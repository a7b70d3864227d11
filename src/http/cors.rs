//! Cross-origin requests: which pages may use the server, and the headers that tell browsers so.
//!
//! Browsers let any page open sockets and event streams, so the server must refuse those by whose
//! page it is (`cross_site.rs`). A page can read any other answer only if the answer's headers
//! allow it.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    auth::request_context::{RequestContext, RequestSite},
    config::Config,
    http::rest::response::RestError,
};

type Headers = &'static [(&'static str, &'static str)];

/// The request's origin is neither this server's own nor named by `--allow-origin`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForeignOrigin;

/// The cross-origin policy of a route.
pub(crate) struct CorsPolicy {
    /// The headers for pages of allowed origins, in answer to a preflight. It also allows the
    /// request headers that the page asks for.
    preflight: Headers,
    /// The headers of every other answer to them.
    response: Headers,
    /// Sends `Vary: Origin` even with answers to requests that have no allowed origin.
    always_varies: bool,
    /// The answer to pages of other origins. If `None`, they get the usual answer, without the
    /// headers that would let them read it.
    refusal: Option<fn() -> Response>,
}

const GRAPHQL_METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// GraphQL over HTTP. Sockets and event streams call `check_site` as well.
pub(crate) static GRAPHQL: CorsPolicy = CorsPolicy {
    preflight: &[
        ("access-control-allow-methods", GRAPHQL_METHODS),
        ("access-control-max-age", "3600"),
    ],
    response: &[(
        "access-control-expose-headers",
        "Allow, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id",
    )],
    always_varies: true,
    refusal: None,
};

/// Buildbot's REST API, which sends every header with every answer and refuses other origins.
pub(crate) static REST: CorsPolicy = CorsPolicy {
    preflight: REST_HEADERS,
    response: REST_HEADERS,
    always_varies: false,
    refusal: Some(|| {
        let text = "invalid origin: only pages of this server and of --allow-origin may do this";
        RestError::bad_request(text).into_response()
    }),
};

const REST_HEADERS: Headers = &[
    (
        "access-control-allow-headers",
        "Authorization, Content-Type",
    ),
    (
        "access-control-expose-headers",
        "RateLimit, RateLimit-Policy, Retry-After, X-Request-Id",
    ),
    ("access-control-allow-methods", "GET, HEAD"),
    ("access-control-max-age", "3600"),
];

/// Refuses pages of other sites.
pub(crate) fn check_site(context: &RequestContext) -> Result<(), ForeignOrigin> {
    match context.site {
        RequestSite::Foreign => Err(ForeignOrigin),
        RequestSite::Trusted | RequestSite::Unknown => Ok(()),
    }
}

/// Applies a route's policy.
pub(crate) async fn apply(
    State((config, policy)): State<(Arc<Config>, &'static CorsPolicy)>,
    Extension(context): Extension<RequestContext>,
    request: Request,
    next: Next,
) -> Response {
    let is_trusted = check_site(&context);
    if let (Err(ForeignOrigin), Some(refusal)) = (is_trusted, policy.refusal) {
        return refusal();
    }
    let origin = request.headers().get(header::ORIGIN);
    let origin = origin.filter(|_| is_trusted.is_ok()).cloned();
    // Read here, because the handler consumes the request.
    let preflight = (request.method() == Method::OPTIONS).then(|| request.headers().clone());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if policy.always_varies || origin.is_some() {
        // A cache must not give one origin's answer to another.
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if preflight.is_some() {
            let asked = HeaderValue::from_static("Access-Control-Request-Headers");
            headers.append(header::VARY, asked);
        }
    }
    if let Some(origin) = origin {
        let with_credentials = config.http.allows_credentials(origin.as_bytes());
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        allow(headers, policy, preflight.as_ref());
        if with_credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }
    response
}

/// Sets the policy's headers, in answer to a preflight with these headers or to another request.
fn allow(headers: &mut HeaderMap, policy: &CorsPolicy, preflight: Option<&HeaderMap>) {
    let (fixed, asked) = match preflight {
        Some(given) => (
            policy.preflight,
            given.get(header::ACCESS_CONTROL_REQUEST_HEADERS),
        ),
        None => (policy.response, None),
    };
    for (name, value) in fixed {
        let name = HeaderName::from_static(name);
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Whatever clients and their tracing add: the page is one that the operator trusts.
    if let Some(asked) = asked {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
}

/// OPTIONS of the GraphQL endpoint: lists its methods.
pub(crate) async fn graphql_options() -> Response {
    (StatusCode::NO_CONTENT, [(header::ALLOW, GRAPHQL_METHODS)]).into_response()
}
