//! GraphQL over server-sent events, in the "distinct connections" mode of graphql-sse: one
//! operation a request.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use serde_json::json;
use tokio::{select, time::timeout};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Instrument, Span};

use crate::{
    app::App,
    auth::{request_context::RequestContext, token_lease::TokenLease},
    graphql::{
        api::Api,
        execute::{
            errors::{ErrorSigner, from_error},
            outcome::Update,
        },
    },
    http::{
        cors,
        graphql::{refusal::HttpRefusal, response_body::ResponseBody},
    },
    metrics::gauge_guard::GaugeGuard,
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// A proxy such as nginx gathers a response before it passes it on, unless this says no.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An event that says that nothing more comes. Browsers drop an event without the line `data`.
const COMPLETE: &str = "event: complete\ndata:\n\n";
/// Keeps a quiet connection open; no client sees it.
const COMMENT: &str = ":\n\n";

/// The cursor of the last event that the client has, if it asks for what came since. Pages of other
/// sites are refused.
pub(crate) fn resume_from(headers: &HeaderMap, app: &App) -> Result<Option<String>, HttpRefusal> {
    cors::check_origin(headers, &app.config.http)?;
    let resume = headers.get(LAST_EVENT_ID).map(HeaderValue::as_bytes);
    Ok(resume
        .filter(|id| !id.is_empty())
        .map(|id| String::from_utf8_lossy(id).into_owned()))
}

/// Sends the one response of a query, a mutation or a refusal.
pub(crate) fn once(body: &ResponseBody<'_>) -> Response {
    let payload = serde_json::to_string(body).unwrap_or_default();
    respond(Body::from(event(&payload, None) + COMPLETE))
}

/// Streams a subscription until there is nothing more, the caller's token is no longer good, or
/// the server stops: then without `complete`, so that the client comes back.
pub(crate) fn stream(
    api: &Api,
    context: &RequestContext,
    updates: BoxStream<'static, Update>,
) -> Response {
    let app = api.app();
    let stop = app.stop.clone();
    let span = Span::current();
    let stream = SseStream {
        updates,
        lease: app.access.lease(&context.caller),
        signer: api.error_signer(context),
        silence: Duration::from_secs(app.config.http.socket_ping_seconds),
        _task: app.tasks.token(),
        _open: GaugeGuard::new(&app.metrics.event_streams),
    };
    let texts = stream::unfold(Some(stream), move |stream| {
        let stop = stop.clone();
        let next = async move {
            let mut stream = stream?;
            let (text, is_last) = stop.run_until_cancelled(stream.next()).await?;
            Some((text, (!is_last).then_some(stream)))
        };
        next.instrument(span.clone())
    });
    respond(Body::from_stream(texts.map(Ok::<_, Infallible>)))
}

/// An open event stream.
struct SseStream {
    updates: BoxStream<'static, Update>,
    /// Ends when the caller's token is no longer good.
    lease: TokenLease,
    signer: ErrorSigner,
    /// How long nothing is sent before a comment is.
    silence: Duration,
    /// Counts the stream as a task, which the server waits for on its way out.
    _task: TaskTrackerToken,
    _open: GaugeGuard,
}

impl SseStream {
    /// The next text to send, and whether it is the last.
    async fn next(&mut self) -> (String, bool) {
        let update = select! {
            biased;
            why = &mut self.lease => {
                Ok(Some(Update::Failed(vec![self.signer.signed(from_error(&why))])))
            }
            update = timeout(self.silence, self.updates.next()) => update,
        };
        match update {
            Err(_) => (COMMENT.to_owned(), false),
            Ok(Some(Update::Next { payload, cursor })) => {
                (event(&payload, cursor.as_deref()), false)
            }
            Ok(Some(Update::Failed(errors))) => {
                let payload = json!({ "errors": errors }).to_string();
                (event(&payload, None) + COMPLETE, true)
            }
            Ok(None) => (COMPLETE.to_owned(), true),
        }
    }
}

fn respond(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (BUFFERING, "no"),
    ];
    (headers, body).into_response()
}

/// An event with a result, which is JSON and so has no line break.
fn event(payload: &str, cursor: Option<&str>) -> String {
    let id = cursor.map(|cursor| format!("id: {cursor}\n"));
    format!("{}event: next\ndata: {payload}\n\n", id.unwrap_or_default())
}
