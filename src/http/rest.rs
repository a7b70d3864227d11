//! The Buildbot-compatible REST API below /api: the way in, whose pages may, which methods; the rest is per noun.

pub(crate) mod build;
pub(crate) mod builder;
pub(crate) mod filter;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod openapi;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod response;
pub(crate) mod step;
pub(crate) mod view;

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header},
    response::{IntoResponse, Response},
    routing,
};
use serde_json::{Map, Value};

use crate::{
    app::App,
    auth::request_context::RequestContext,
    config::http::HttpConfig,
    http::rest::{path::ResourcePath, query::Parameters, response::RestError},
    rate_limit::limiter::MIN_COST,
};

const ALLOW: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
/// What a page of another origin is told, as Buildbot does, and what our answers and tokens need.
const MAY: [(HeaderName, HeaderValue); 4] = [
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type"),
    ),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"),
    ),
    (
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD"),
    ),
    (
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("3600"),
    ),
];

/// Everything below `/api`. One handler for all: the paths are Buildbot's, decoded by its rules.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/api", routing::any(serve))
        .route("/api/", routing::any(serve))
        .route("/api/{*path}", routing::any(serve))
        .with_state(app)
}

async fn serve(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let origin = match origin(&parts.headers, &app.config.http) {
        Ok(origin) => origin,
        Err(problem) => return problem.into_response(),
    };
    let answer = match parts.method {
        Method::GET | Method::HEAD => {
            let answer = answer(&app, &context, &parts.uri, &parts.headers);
            let in_time = app.deadline().keep(answer).await;
            in_time.unwrap_or_else(|late| Err(late.into()))
        }
        Method::OPTIONS => options(&parts.headers),
        _ => Err(RestError::method_not_allowed(ALLOW)),
    };
    let mut response = answer.unwrap_or_else(RestError::into_response);
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        headers.extend(MAY);
    }
    response
}

/// The origin of the page that asks, if one does and may.
fn origin(headers: &HeaderMap, config: &HttpConfig) -> Result<Option<HeaderValue>, RestError> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(None);
    };
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    if config.allows_origin(origin.as_bytes(), host) {
        Ok(Some(origin.clone()))
    } else {
        Err(RestError::bad(
            "invalid origin: only pages of this server and of --allow-origin may do this",
        ))
    }
}

/// What may be done here, and whether a page may do what it is about to.
fn options(headers: &HeaderMap) -> Result<Response, RestError> {
    let wanted = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD);
    if wanted.is_some_and(|method| method != "GET" && method != "HEAD") {
        return Err(RestError::bad("invalid method: only GET and HEAD here"));
    }
    Ok([(header::ALLOW, ALLOW)].into_response())
}

/// Who asks, then the path, then the parameters, then the database.
async fn answer(
    app: &App,
    context: &RequestContext,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, RestError> {
    app.rate_limiter.admit(context)?;
    app.rate_limiter.spend(context, MIN_COST)?;
    let route = crate::http::rest::path::read(uri.path())?;
    let parameters = Parameters::read(uri.query().unwrap_or_default())?;
    let body = match &route {
        ResourcePath::Builders => crate::http::rest::builder::list(app, &parameters).await?,
        ResourcePath::Builder(which) => {
            crate::http::rest::builder::one(app, which, &parameters).await?
        }
        ResourcePath::Builds(of) => {
            crate::http::rest::build::list(app, of.as_ref(), &parameters).await?
        }
        ResourcePath::Build(which) => {
            crate::http::rest::build::one(app, which, &parameters).await?
        }
        ResourcePath::Steps(of) => crate::http::rest::step::list(app, of, &parameters).await?,
        ResourcePath::Step(which) => crate::http::rest::step::one(app, which, &parameters).await?,
        ResourcePath::OpenApi => crate::http::rest::openapi::document(),
    };
    // Each row costs one more.
    app.rate_limiter.charge(context, rows(&body));
    Ok(crate::http::rest::response::ok(&body, headers))
}

/// How many rows an answer has.
fn rows(body: &Value) -> u64 {
    let lists = body.as_object().into_iter().flat_map(Map::values);
    lists
        .filter_map(Value::as_array)
        .map(|list| list.len() as u64)
        .sum()
}
