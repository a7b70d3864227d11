//! Who asks and from where, worked out once for every route and transport.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};

use crate::{
    auth::{request_context::RequestContext, scope::Scope},
    domain::error::{Error, ErrorCode},
    graphql::api::Api,
    http::{
        client_address,
        request_log::{RequestId, note_caller},
    },
};

/// Asks that the answer say what it cost.
const COST: &str = "graphql-cost";

/// Gives the request its `Call`.
pub(crate) async fn identify(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let name = request.extensions().get::<RequestId>();
    let context = RequestContext {
        caller: api.app().access.anonymous(),
        address: client_address::of_client(
            peer.ip(),
            request.headers(),
            &api.app().config.connection,
        ),
        request_id: name.map_or_else(|| Arc::from(""), |name| name.0.clone()),
        wants_cost: request.headers().get(COST).is_some_and(|v| v == "1"),
    };
    request.extensions_mut().insert(context);
    next.run(request).await
}

/// The status of an answer to a caller who may not even read, and why; none where it may.
pub(crate) fn refusal(context: &RequestContext) -> Option<(StatusCode, Error)> {
    let why = context.caller.require(Scope::Read).err()?;
    let status = match why.code() {
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Some((status, why))
}

/// Puts the caller into the request's `Call`. What is refused is refused further in, in the words of each route; how to do
/// better is said here.
pub(crate) async fn authenticate(
    State(api): State<Api>,
    mut request: Request,
    next: Next,
) -> Response {
    let values = request.headers().get_all(header::AUTHORIZATION);
    let has_token = values.iter().next().is_some();
    let values: Vec<HeaderValue> = values.iter().cloned().collect();
    let values = values.iter().map(HeaderValue::as_bytes);
    let caller = api.app().access.authenticate_header(values).await;
    if let Some(context) = request.extensions_mut().get_mut::<RequestContext>() {
        context.caller = caller;
        note_caller(context);
    }
    let mut response = next.run(request).await;
    let challenge = match (response.status(), has_token) {
        (StatusCode::UNAUTHORIZED, false) => "Bearer",
        (StatusCode::UNAUTHORIZED, true) => "Bearer error=\"invalid_token\"",
        (StatusCode::FORBIDDEN, true) => "Bearer error=\"insufficient_scope\"",
        _ => return response,
    };
    let challenge = HeaderValue::from_static(challenge);
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
}
