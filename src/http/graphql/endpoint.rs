//! The endpoint `/graphql`: POST and GET. `/graphql/stream` is the same for event streams alone.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use serde_json::Value as Json;

use crate::{
    app::App,
    auth::request_context::RequestContext,
    graphql::{
        api::Api,
        execute::{
            answer::refusal_json,
            outcome::{Outcome, Refusal, RefusalCause},
        },
        prepare::operation::PreparedOperation,
    },
    http::{
        accept::{self, NotAcceptable},
        graphiql,
        graphql::{
            batch,
            body::{self, READ_FACTOR},
            csrf,
            media::{EVENT_STREAM, GRAPHQL_RESPONSE, MULTIPART, ResponseMedia},
            refusal::HttpRefusal,
            request::{
                add_idempotency_key, from_json, from_query, names_document, parse_body,
                refuse_idempotency_key,
            },
            response::{executed, refused},
            stream_encoding::StreamEncoding,
            streaming,
        },
        websocket::upgrade,
    },
    memory::MemoryShare,
};

/// POST: an operation, or a batch of them, in a JSON body.
pub(crate) async fn post(
    State(api): State<Api>,
    Extension(context): Extension<RequestContext>,
    request: Request<Body>,
) -> Response {
    let response = async {
        let (parts, body) = request.into_parts();
        let media = accepted_media(&parts.headers)?;
        let in_media = |refusal: HttpRefusal| refusal.in_media(media);
        // Before the body is read, so that a refusal does not wait for it.
        body::check_headers(&parts.headers).map_err(in_media)?;
        if let Err(refusal) = api.admit_caller(&context) {
            return Ok(refused(media, &refusal));
        }
        let read = read_json(body, &parts.headers, api.app(), &context);
        let (json, _memory) = read.await.map_err(in_media)?;
        match json {
            Json::Array(batch) => {
                refuse_idempotency_key(&parts.headers).map_err(in_media)?;
                // Boxed, so that single operations do not hold it.
                let response = Box::pin(batch::respond(&api, &context, media, batch));
                response.await.map_err(in_media)
            }
            json => {
                let mut request = from_json(json).map_err(in_media)?;
                add_idempotency_key(&mut request, &parts.headers).map_err(in_media)?;
                let prepared = api.prepare(request, &context);
                respond(&api, &context, media, &parts.headers, prepared).await
            }
        }
    };
    let response = response.await;
    response.unwrap_or_else(|refusal| refusal.into_response(&api, &context))
}

/// Reads a body of JSON, with the memory that it takes.
async fn read_json(
    body: Body,
    headers: &HeaderMap,
    app: &App,
    context: &RequestContext,
) -> Result<(Json, MemoryShare), HttpRefusal> {
    let (body, memory) = body::read(body, headers, app, context).await?;
    let json = parse_body(&body, app.config.limit.max_json_values)?;
    Ok((json, memory))
}

/// GET: one query in the URL, or a WebSocket. A browser that asks for a page gets GraphiQL.
pub(crate) async fn get(
    State(api): State<Api>,
    Extension(context): Extension<RequestContext>,
    request: Request<Body>,
) -> Response {
    let response = async {
        if upgrade::is_upgrade(request.headers()) {
            return upgrade::upgrade(api.clone(), context.clone(), request).await;
        }
        let query = request.uri().query().unwrap_or_default();
        let has_page = !api.app().config.http.no_graphiql && !names_document(query);
        if has_page && ResponseMedia::prefers_page(request.headers()) {
            return Ok(Redirect::to(graphiql::PATH).into_response());
        }
        let media = accepted_media(request.headers())?;
        let in_media = |refusal: HttpRefusal| refusal.in_media(media);
        // An EventSource cannot send custom headers; its origin is checked instead.
        if media != ResponseMedia::EventStream {
            csrf::check_get(request.headers(), context.site).map_err(in_media)?;
        }
        if let Err(refusal) = api.admit_caller(&context) {
            return Ok(refused(media, &refusal));
        }
        let limiter = &api.app().rate_limiter;
        limiter.spend_bytes(&context, query.len())?;
        let memory = limiter.memory(&context);
        let _memory = memory.reserve(query.len() * READ_FACTOR)?;
        let max_values = api.app().config.limit.max_json_values;
        let operation = from_query(query, max_values).map_err(in_media)?;
        let prepared = api.prepare(operation, &context);
        // Only now, because only the parsed document shows whether it is a mutation.
        if prepared
            .as_ref()
            .is_ok_and(|operation| operation.is_mutation())
        {
            let message = "a mutation goes over POST";
            let refusal = HttpRefusal::new(StatusCode::METHOD_NOT_ALLOWED, message);
            let refusal = refusal.with_header(header::ALLOW, HeaderValue::from_static("POST"));
            return Err(in_media(refusal));
        }
        respond(&api, &context, media, request.headers(), prepared).await
    };
    let response = response.await;
    response.unwrap_or_else(|refusal| refusal.into_response(&api, &context))
}

/// Runs the operation and answers in this media type.
async fn respond(
    api: &Api,
    context: &RequestContext,
    media: ResponseMedia,
    headers: &HeaderMap,
    prepared: Result<Arc<PreparedOperation>, Refusal>,
) -> Result<Response, HttpRefusal> {
    let Some(encoding) = media.encoding() else {
        let outcome = match prepared {
            Ok(operation) => Box::pin(api.execute(operation, context)).await,
            Err(refusal) => Outcome::Refused(refusal),
        };
        return Ok(match outcome {
            Outcome::Executed(answer) => executed(media, *answer),
            Outcome::Refused(refusal) => refused(media, &refusal),
            // Unreachable: `execute` refuses subscriptions.
            Outcome::Stream(updates) => {
                streaming::stream(api, context, updates, StreamEncoding::EventStream)
            }
        });
    };
    // Checks the origin too, so it comes before anything runs.
    let resume = streaming::resume_from(headers, context)?;
    let outcome = match prepared {
        Ok(operation) => Box::pin(api.run(operation, context, resume)).await,
        Err(refusal) => Outcome::Refused(refusal),
    };
    Ok(match outcome {
        Outcome::Stream(updates) => streaming::stream(api, context, updates, encoding),
        Outcome::Executed(answer) => streaming::once(&answer.into_text(), encoding),
        Outcome::Refused(refusal) => match refusal.cause {
            RefusalCause::Admission(_) => refused(media, &refusal),
            // A client that reads a stream sees only its events, not a status.
            RefusalCause::Request => {
                let json = refusal_json(&refusal.errors);
                streaming::once(&String::from_utf8_lossy(&json), encoding)
            }
            RefusalCause::Interrupted(_) => streaming::interrupted(&refusal.errors, encoding),
        },
    })
}

fn accepted_media(headers: &HeaderMap) -> Result<ResponseMedia, HttpRefusal> {
    ResponseMedia::accepted(headers).map_err(|NotAcceptable| {
        HttpRefusal::new(
            StatusCode::NOT_ACCEPTABLE,
            format!(
                "Accept: {GRAPHQL_RESPONSE}, application/json, {EVENT_STREAM} or {MULTIPART} is what this server answers"
            ),
        )
    })
}

/// The layer of `/graphql/stream`: answers with an event stream or not at all, even to a client
/// that prefers something else.
pub(crate) async fn require_stream(
    State(api): State<Api>,
    Extension(context): Extension<RequestContext>,
    mut request: Request,
    next: Next,
) -> Response {
    let headers = request.headers_mut();
    if accept::quality(headers, EVENT_STREAM) > 0.0 {
        headers.insert(header::ACCEPT, HeaderValue::from_static(EVENT_STREAM));
        return next.run(request).await;
    }
    let message =
        format!("Accept: {EVENT_STREAM} is what /graphql/stream answers; others are at /graphql");
    HttpRefusal::new(StatusCode::NOT_ACCEPTABLE, message).into_response(&api, &context)
}
