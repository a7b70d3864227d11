//! Responses that are sent piece by piece: one operation per request, in either encoding.

use std::{convert::Infallible, time::Duration};

use async_graphql::ServerError;
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
    auth::{request_context::RequestContext, token_lease::TokenLease},
    domain::error::ErrorCode,
    graphql::{
        api::Api,
        execute::{
            errors::{ErrorSigner, from_error, request_error},
            outcome::Update,
        },
    },
    http::{
        cors,
        graphql::{refusal::HttpRefusal, stream_encoding::StreamEncoding},
    },
    metrics::gauge_guard::GaugeGuard,
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Keeps proxies such as nginx from buffering the response, which would delay events.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Returns the cursor of the last event that a resuming client has received. Refuses pages of other
/// sites.
pub(crate) fn resume_from(
    headers: &HeaderMap,
    context: &RequestContext,
) -> Result<Option<String>, HttpRefusal> {
    cors::check_site(context)?;
    let resume = headers.get(LAST_EVENT_ID).map(HeaderValue::as_bytes);
    Ok(resume
        .filter(|id| !id.is_empty())
        .map(|id| String::from_utf8_lossy(id).into_owned()))
}

/// Sends the single response of a query, a mutation or a refusal.
pub(crate) fn once(payload: &str, encoding: StreamEncoding) -> Response {
    let text = [
        encoding.start(),
        &encoding.result(payload, None),
        encoding.end(),
    ]
    .concat();
    respond(Body::from(text), encoding)
}

/// Sends why a subscription cannot be resumed for now, without the end.
pub(crate) fn interrupted(errors: &[ServerError], encoding: StreamEncoding) -> Response {
    let failure = encoding.failure(&json!(errors).to_string());
    let text = [encoding.start(), &failure, encoding.interruption()].concat();
    respond(Body::from(text), encoding)
}

/// Streams a subscription until it ends, the caller's token becomes invalid, or the server stops.
/// In the last case its end says so, so that the client reconnects.
pub(crate) fn stream(
    api: &Api,
    context: &RequestContext,
    updates: BoxStream<'static, Update>,
    encoding: StreamEncoding,
) -> Response {
    let app = api.app();
    let stop = app.stop.clone();
    // The body is polled after the handler has returned, outside of the request's span.
    let span = Span::current();
    let stream = ResponseStream {
        encoding,
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
            let next = stop.run_until_cancelled(stream.next()).await;
            let (text, is_last) = next.unwrap_or_else(|| (stream.stopped(), true));
            Some((text, (!is_last).then_some(stream)))
        };
        next.instrument(span.clone())
    });
    let start = stream::iter((!encoding.start().is_empty()).then(|| encoding.start().to_owned()));
    respond(
        Body::from_stream(start.chain(texts).map(Ok::<_, Infallible>)),
        encoding,
    )
}

/// An open stream.
struct ResponseStream {
    encoding: StreamEncoding,
    updates: BoxStream<'static, Update>,
    /// Completes when the caller's token becomes invalid.
    lease: TokenLease,
    signer: ErrorSigner,
    /// How long the stream may be silent before a heartbeat is sent.
    silence: Duration,
    /// Counts the stream as a task, so that a stopping server waits for it.
    _task: TaskTrackerToken,
    _open: GaugeGuard,
}

impl ResponseStream {
    /// Returns the last text of a stream that ends because the server stops.
    fn stopped(&self) -> String {
        let error = request_error(
            "the server is stopping; subscribe again with after: the last cursor",
            ErrorCode::Unavailable.into(),
        );
        let errors = json!([self.signer.signed(error)]).to_string();
        self.encoding.stop(&errors)
    }

    /// Returns the next text to send, and whether it is the last.
    async fn next(&mut self) -> (String, bool) {
        let update = select! {
            // The lease comes first: a busy stream must not outlive its token.
            biased;
            why = &mut self.lease => {
                Ok(Some(Update::Failed(vec![self.signer.signed(from_error(&why))])))
            }
            update = timeout(self.silence, self.updates.next()) => update,
        };
        let encoding = self.encoding;
        match update {
            Err(_) => (encoding.heartbeat(), false),
            Ok(Some(Update::Next { payload, cursor })) => {
                (encoding.result(&payload, cursor.as_deref()), false)
            }
            Ok(Some(Update::Failed(errors))) => {
                let errors = json!(errors).to_string();
                (encoding.failure(&errors) + encoding.end(), true)
            }
            // Without the end, so that the client reconnects.
            Ok(Some(Update::Interrupted(errors, _))) => {
                let errors = json!(errors).to_string();
                (encoding.failure(&errors) + encoding.interruption(), true)
            }
            Ok(None) => (encoding.end().to_owned(), true),
        }
    }
}

fn respond(body: Body, encoding: StreamEncoding) -> Response {
    let headers = [
        (header::CONTENT_TYPE, encoding.content_type()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (BUFFERING, HeaderValue::from_static("no")),
    ];
    (headers, body).into_response()
}
