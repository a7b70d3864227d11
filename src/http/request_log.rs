//! What is kept of every request: a name, the span in which all that the log says of it stands, one line when it is
//! answered, and its measures.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use tracing::{Instrument, Span, field::Empty};

#[cfg(feature = "otel")]
use crate::log::traces::{link_parent, record_response};
use crate::{
    app::App,
    auth::{request_context::RequestContext, scope::Scope},
    metrics::labels::RouteLabel,
};

/// Where a request's name comes from, if a proxy gave it one, and goes to.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest name that is taken from a client, in bytes.
const LONGEST: usize = 128;
/// What else than letters and digits a client's name may have: nothing that a log's reader could take for its own.
const MARKS: &[u8] = b"-_.:+/=@~";

/// A request's name.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// What every request is watched with.
#[derive(Clone)]
pub(crate) struct RequestLog {
    app: App,
    names: Arc<RequestIds>,
}

/// Names that no other server gives, and this one only once.
struct RequestIds {
    server: u64,
    given: AtomicU64,
}

impl RequestLog {
    pub(crate) fn new(app: App) -> Self {
        let names = Arc::new(RequestIds {
            // Forty random bits.
            server: RandomState::new().hash_one(std::process::id()) >> 24,
            given: AtomicU64::new(0),
        });
        Self { app, names }
    }
}

impl RequestIds {
    fn next(&self) -> Arc<str> {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        format!("{:010x}-{number:x}", self.server).into()
    }
}

/// The name that a proxy or client gave, if it is one that can stand in a log.
fn given(headers: &HeaderMap) -> Option<Arc<str>> {
    let name = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_sane = |b: u8| b.is_ascii_alphanumeric() || MARKS.contains(&b);
    let is_taken = (1..=LONGEST).contains(&name.len()) && name.bytes().all(is_sane);
    is_taken.then(|| name.into())
}

/// The outermost layer: names the request, answers it, and says how that went.
pub(crate) async fn watch(
    State(watch): State<RequestLog>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let name = given(request.headers()).unwrap_or_else(|| watch.names.next());
    // An error's span is there whatever the log's filter leaves out.
    let span = tracing::error_span!("request", id = %name, caller = Empty);
    #[cfg(feature = "otel")]
    link_parent(&span, |name| request.headers().get(name)?.to_str().ok());
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("-", MatchedPath::as_str);
    let header = HeaderValue::from_str(&name);
    request.extensions_mut().insert(RequestId(name));

    let mut response = next.run(request).instrument(span.clone()).await;

    let after = begun.elapsed();
    let status = response.status();
    #[cfg(feature = "otel")]
    record_response(&span, method.as_str(), path, status.as_u16());
    let route = route(path, &response);
    watch
        .app
        .metrics
        .record_request(route, status.as_u16(), after);
    span.in_scope(|| {
        tracing::debug!(
            target: "buildbot_graphql::access",
            %method, route = path, status = status.as_u16(), ms = after.as_secs_f64() * 1e3, "answered"
        );
    });
    if let Ok(header) = header {
        response.headers_mut().insert(REQUEST_ID, header);
    }
    response
}

/// Which part of the server has answered.
fn route(path: &str, response: &Response) -> RouteLabel {
    let media = response.headers().get(header::CONTENT_TYPE);
    match path {
        "/graphql" if response.status() == StatusCode::SWITCHING_PROTOCOLS => RouteLabel::Socket,
        "/graphql" if media.is_some_and(|m| m == "text/event-stream") => RouteLabel::Events,
        "/graphql" => RouteLabel::Graphql,
        "/healthz" | "/readyz" | "/metrics" => RouteLabel::Operators,
        "/" => RouteLabel::Page,
        _ if path.starts_with("/api") => RouteLabel::Rest,
        _ if path.starts_with("/graphiql") => RouteLabel::Page,
        _ => RouteLabel::Other,
    }
}

/// Says in the log, from here on, what a request's caller may do.
pub(crate) fn note_caller(context: &RequestContext) {
    Span::current().record("caller", rights(context));
}

/// The span of an operation on a socket, or of the socket itself: no part of the handshake's, which has ended.
pub(crate) fn apart(context: &RequestContext) -> Span {
    tracing::error_span!(parent: None, "request", id = %context.request_id, caller = rights(context))
}

/// What a caller may do, in a word.
fn rights(context: &RequestContext) -> &'static str {
    let may = |scope| context.caller.require(scope).is_ok();
    if may(Scope::Write) {
        "write"
    } else if may(Scope::Read) {
        "read"
    } else {
        "nothing"
    }
}
