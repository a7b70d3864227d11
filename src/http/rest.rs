//! The Buildbot-compatible REST API below `/api`: methods, paths, and what each path answers.

pub(crate) mod build;
pub(crate) mod builder;
pub(crate) mod byte_range;
pub(crate) mod filter;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod log;
pub(crate) mod log_chunk;
pub(crate) mod log_file;
pub(crate) mod log_text;
pub(crate) mod openapi;
pub(crate) mod operand;
pub(crate) mod parameters;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod resource;
pub(crate) mod response;
pub(crate) mod step;
pub(crate) mod view;

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
    routing,
};
use serde_json::{Map, Value};

use crate::{
    app::{App, deadline::Deadline},
    auth::request_context::RequestContext,
    domain::error::Result,
    http::rest::{
        log_text::LogTextRequest,
        parameters::Parameters,
        path::{LogTextForm, ResourcePath},
        response::{RestError, ok},
    },
    rate_limit::limiter::MIN_COST,
    store::db::database::Db,
};

const ALLOW: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// The routes below `/api`. One handler serves them all, because Buildbot splits a path before it
/// decodes it (`%2F` may be part of a builder's name), and axum decodes first.
pub(crate) fn routes(app: App) -> Router {
    Router::new()
        // A wildcard does not match an empty rest, so `/api` and `/api/` have routes of their own.
        .route("/api", routing::any(handle))
        .route("/api/", routing::any(handle))
        .route("/api/{*path}", routing::any(handle))
        .with_state(app)
}

async fn handle(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    request: Request,
) -> Result<Response, RestError> {
    let (parts, _) = request.into_parts();
    match parts.method {
        Method::GET | Method::HEAD => {
            let (account, deadline) = (app.rate_limiter.read_account(&context), app.deadline());
            account.expect_by(deadline.at());
            let db = app.db.for_caller(account.clone());
            let response = respond(&app, &db, &context, &parts, deadline);
            deadline.keep_reading(&account, response).await?
        }
        Method::OPTIONS => options(&parts.headers),
        _ => Err(RestError::method_not_allowed(ALLOW)),
    }
}

/// Lists the methods, and refuses a preflight for any other.
fn options(headers: &HeaderMap) -> Result<Response, RestError> {
    let method = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD);
    if method.is_some_and(|method| method != "GET" && method != "HEAD") {
        return Err(RestError::bad_request(
            "invalid method: only GET and HEAD here",
        ));
    }
    Ok([(header::ALLOW, ALLOW)].into_response())
}

/// Answers a GET. Checks run in Buildbot's order (caller, path, parameters, database), which
/// decides the error of a request with two faults.
async fn respond(
    app: &App,
    db: &Db,
    context: &RequestContext,
    request: &Parts,
    deadline: Deadline,
) -> Result<Response, RestError> {
    app.rate_limiter.admit(context)?;
    // Before the parsing, so that malformed requests cost a point too.
    app.rate_limiter.spend(context, MIN_COST)?;
    let _turn = app.turn(context, deadline, 0).await?;
    let uri = &request.uri;
    let path = ResourcePath::parse(uri.path())?;
    if path == ResourcePath::Root {
        // Relative, since a proxy may serve this below a path of its own.
        let has_slash = uri.path().ends_with('/');
        let document = if has_slash {
            "openapi.json"
        } else {
            "v2/openapi.json"
        };
        return Ok(Redirect::temporary(document).into_response());
    }
    let parameters = Parameters::parse(uri.query().unwrap_or_default())?;
    if let ResourcePath::LogText(log, form) = &path {
        let ask = LogTextRequest {
            headers: &request.headers,
            parameters: &parameters,
            form: *form,
        };
        return match form {
            LogTextForm::Contents => log_chunk::respond(app, db, log, &ask).await,
            LogTextForm::Raw | LogTextForm::RawInline => {
                log_text::respond(app, db, log, &ask).await
            }
        };
    }
    let body = read(app, db, &path, &parameters).await?;
    // Each row costs one more point, and their number is known only now.
    app.rate_limiter.charge(context, count_rows(&body));
    let memory = app.rate_limiter.memory(context);
    let max_text_bytes = app.config.limit.max_text_bytes;
    ok(&body, &request.headers, max_text_bytes, &memory)
}

/// Reads the resource at a path.
async fn read(app: &App, db: &Db, path: &ResourcePath, parameters: &Parameters) -> Result<Value> {
    match path {
        ResourcePath::Builders => builder::list(app, db, parameters).await,
        ResourcePath::Builder(reference) => builder::get(db, reference, parameters).await,
        ResourcePath::Builds(of) => build::list(app, db, of.as_ref(), parameters).await,
        ResourcePath::Build(reference) => build::get(app, db, reference, parameters).await,
        ResourcePath::Steps(of) => step::list(app, db, of, parameters).await,
        ResourcePath::Step(reference) => step::get(app, db, reference, parameters).await,
        ResourcePath::Logs(of) => log::list(app, db, of, parameters).await,
        ResourcePath::Log(reference) => log::get(db, reference, parameters).await,
        // What is no JSON of rows is answered before.
        ResourcePath::OpenApi | ResourcePath::Root | ResourcePath::LogText(..) => {
            Ok(openapi::DOCUMENT.clone())
        }
    }
}

/// Counts the rows of an answer.
fn count_rows(body: &Value) -> u64 {
    let lists = body.as_object().into_iter().flat_map(Map::values);
    lists
        .filter_map(Value::as_array)
        .map(|list| list.len() as u64)
        .sum()
}
