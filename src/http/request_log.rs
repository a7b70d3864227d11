//! Gives each request an id and a span for its log lines, and records the answer in the access log
//! and the metrics.

use std::{
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use tracing::{Instrument, Span, field::Empty};

use crate::{
    app::App,
    auth::{request_context::RequestContext, scope::Scope},
    metrics::labels::RouteLabel,
};

#[cfg(feature = "otel")]
use crate::log::traces::{link_parent, record_response};
/// The header with a request's id: a trusted proxy may send one, and every answer has it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is accepted, in bytes.
const MAX_ID: usize = 128;
/// The bytes besides letters and digits that an id may have: none can forge a log line.
const MARKS: &[u8] = b"-_.:+/=@~";

/// A request's id in the log and in the errors of its answer.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// Where the requests of a listening address are recorded.
pub(crate) struct RequestLog {
    app: App,
    ids: RequestIds,
}

/// Makes ids that are unique to this server and to one request.
struct RequestIds {
    server: u64,
    next: AtomicU64,
}

impl RequestLog {
    pub(crate) fn new(app: App) -> Self {
        let ids = RequestIds {
            // 40 random bits, the ten digits of an id, so that servers do not share ids.
            server: RandomState::new().hash_one(std::process::id()) >> 24,
            next: AtomicU64::new(0),
        };
        Self { app, ids }
    }
}

impl RequestIds {
    fn next(&self) -> Arc<str> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:010x}-{number:x}", self.server).into()
    }
}

/// Returns the id that a proxy chose, if it is safe to log.
fn proxy_id(headers: &HeaderMap) -> Option<Arc<str>> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || MARKS.contains(&b);
    let is_valid = (1..=MAX_ID).contains(&id.len()) && id.bytes().all(is_allowed);
    is_valid.then(|| id.into())
}

/// Gives the request its id and its span, and records how it was answered.
pub(crate) async fn log_request(
    log: &RequestLog,
    peer: SocketAddr,
    mut request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let started = Instant::now();
    let is_trusted = log.app.config.connection.trusts(peer.ip().to_canonical());
    let id = is_trusted.then(|| proxy_id(request.headers())).flatten();
    let id = id.unwrap_or_else(|| log.ids.next());
    // At error level, because no log filter removes that: the id must be on every line.
    let span = tracing::error_span!("request", id = %id, caller = Empty);
    #[cfg(feature = "otel")]
    link_parent(&span, |name| request.headers().get(name)?.to_str().ok());
    let method = request.method().clone();
    // The route's pattern and not the URL, which may hold a query's text and is not for the log.
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("-", MatchedPath::as_str);
    let header = HeaderValue::from_str(&id);
    request.extensions_mut().insert(RequestId(id));

    let mut response = answer(request).instrument(span.clone()).await;

    let elapsed = started.elapsed();
    let status = response.status();
    #[cfg(feature = "otel")]
    record_response(&span, method.as_str(), path, status.as_u16());
    let label = route_label(path, &response);
    let metrics = &log.app.metrics;
    metrics.record_request(label, status.as_u16(), elapsed);
    span.in_scope(|| {
        tracing::debug!(
            target: "buildbot_graphql::access",
            %method,
            route = path,
            status = status.as_u16(),
            ms = elapsed.as_secs_f64() * 1e3,
            "answered"
        );
    });
    if let Ok(header) = header {
        response.headers_mut().insert(REQUEST_ID, header);
    }
    response
}

/// Returns the label of the part of the server that answered.
fn route_label(path: &str, response: &Response) -> RouteLabel {
    let media = response.headers().get(header::CONTENT_TYPE);
    // A closed set: nothing that a client sends may become a label.
    match path {
        "/graphql" | "/graphql/stream" => match media {
            _ if response.status() == StatusCode::SWITCHING_PROTOCOLS => RouteLabel::Socket,
            Some(media) if media == "text/event-stream" => RouteLabel::Events,
            _ => RouteLabel::Graphql,
        },
        "/healthz" | "/readyz" | "/metrics" => RouteLabel::Operators,
        "/" | "/now" | "/favicon.ico" => RouteLabel::Page,
        _ if path.starts_with("/api") => RouteLabel::Rest,
        _ if ["/builders", "/page/", "/graphiql"]
            .iter()
            .any(|page| path.starts_with(page)) =>
        {
            RouteLabel::Page
        }
        _ => RouteLabel::Other,
    }
}

/// Records the caller's scope in the request's span.
pub(crate) fn record_caller(context: &RequestContext) {
    Span::current().record("caller", rights(context));
}

/// Makes the span of a socket or of an operation on one. It has no parent, because the handshake's
/// span has already ended.
pub(crate) fn socket_span(context: &RequestContext) -> Span {
    let id = &context.request_id;
    tracing::error_span!(parent: None, "request", %id, caller = rights(context))
}

fn rights(context: &RequestContext) -> &'static str {
    context.caller.scope().map_or("nothing", Scope::name)
}
