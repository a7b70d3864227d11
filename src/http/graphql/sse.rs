//! GraphQL over server-sent events, in the "distinct connections" mode of graphql-sse: one operation per request.

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
use tracing::{Instrument, Span};

use crate::{
    app::App,
    auth::{request_context::RequestContext, token_lease::TokenLease},
    graphql::{api::Api, execute::errors::from_error, subscribe::stream::Update},
    http::{cors, graphql::HttpRefusal},
    metrics::GaugeGuard,
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// A proxy such as nginx gathers an answer before it hands it on, unless this says no.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An event that says that nothing more comes. Browsers drop an event without the line `data`.
const COMPLETE: &str = "event: complete\ndata:\n\n";
/// What no client sees, to keep a quiet connection open.
const COMMENT: &str = ":\n\n";

/// What a client's headers ask for.
#[derive(Debug)]
pub(crate) struct Wish {
    /// The cursor of the last event that the client has, if it wants what comes after.
    pub(crate) resume: Option<String>,
}

impl Wish {
    /// Reads the headers; pages of other sites are refused.
    pub(crate) fn read(headers: &HeaderMap, app: &App) -> Result<Self, HttpRefusal> {
        cors::check_origin(headers, &app.config.http)?;
        let resume = headers.get(LAST_EVENT_ID).map(HeaderValue::as_bytes);
        Ok(Self {
            resume: resume
                .filter(|id| !id.is_empty())
                .map(|id| String::from_utf8_lossy(id).into_owned()),
        })
    }
}

/// Answers with the one result of a query or a mutation.
pub(crate) fn once(payload: &str) -> Response {
    respond(Body::from(event(payload, None) + COMPLETE))
}

/// Answers with what a subscription says until that is all, the caller's token is no longer good, or the server stops: then
/// without `complete`, so that the client comes back.
pub(crate) fn stream(
    api: &Api,
    context: &RequestContext,
    updates: BoxStream<'static, Update>,
) -> Response {
    let (app, signature) = (api.app(), api.signature(context));
    // Counted like a task as long as it lasts, and waited for on the way out.
    let token = app.tasks.token();
    let stop = app.stop.clone();
    let open = GaugeGuard::new(&app.metrics.event_streams);
    let span = Span::current();
    let quiet = Duration::from_secs(app.config.http.socket_ping_seconds);
    let lease = app.access.lease(&context.caller);
    let events = stream::unfold(Some((updates, lease, token, open)), move |going| {
        let (stop, signature) = (stop.clone(), signature.clone());
        let work = async move {
            let mut going: (BoxStream<Update>, TokenLease, _, _) = going?;
            let next = async {
                select! {
                    biased;
                    why = &mut going.1 => {
                        Ok(Some(Update::Failed(vec![signature.signed(from_error(&why))])))
                    }
                    next = timeout(quiet, going.0.next()) => next,
                }
            };
            let (text, is_all) = match stop.run_until_cancelled(next).await? {
                Err(_) => (COMMENT.to_owned(), false),
                Ok(Some(Update::Next { payload, cursor })) => {
                    (event(&payload, cursor.as_deref()), false)
                }
                Ok(Some(Update::Failed(errors))) => {
                    let payload = json!({ "errors": errors }).to_string();
                    (event(&payload, None) + COMPLETE, true)
                }
                Ok(None) => (COMPLETE.to_owned(), true),
            };
            Some((text, (!is_all).then_some(going)))
        };
        work.instrument(span.clone())
    });
    respond(Body::from_stream(events.map(Ok::<_, Infallible>)))
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
