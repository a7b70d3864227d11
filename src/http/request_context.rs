//! The layer that gives each request its context: the caller, its address and the request's id.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};

use crate::{
    auth::{authorization::is_empty, request_context::RequestContext, scope::Scope},
    domain::error::Error,
    graphql::api::Api,
    http::{
        client_address::client_address,
        error_status::status_of,
        request_log::{RequestId, record_caller},
    },
};

/// A client sends this header with the value `1` to learn what its operation cost.
const COST: &str = "graphql-cost";

/// Authenticates the caller and inserts the request's context.
///
/// A rejected caller is passed on, because each route refuses in its own format. The challenge,
/// which tells the client how to authenticate, is added here for all of them.
pub(crate) async fn authenticate(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let request_id = request.extensions().get::<RequestId>().cloned();
    let context = build(&api, peer, request.headers(), request_id).await;
    record_caller(&context);
    let tokens = request.headers().get_all(header::AUTHORIZATION);
    let has_token = tokens.iter().any(|value| !is_empty(value.as_bytes()));
    request.extensions_mut().insert(context);
    let mut response = next.run(request).await;
    if let Some(challenge) = challenge(response.status(), has_token) {
        let challenge = HeaderValue::from_static(challenge);
        let headers = response.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

async fn build(
    api: &Api,
    peer: SocketAddr,
    headers: &HeaderMap,
    request_id: Option<RequestId>,
) -> RequestContext {
    let app = api.app();
    let tokens = headers.get_all(header::AUTHORIZATION);
    let tokens = tokens.iter().map(HeaderValue::as_bytes);
    RequestContext {
        caller: app.access.authenticate_header(tokens).await,
        address: client_address(peer.ip(), headers, &app.config.connection),
        request_id: request_id.map_or_else(|| Arc::from(""), |id| id.0),
        wants_cost: headers.get(COST).is_some_and(|value| value == "1"),
    }
}

/// Returns the value of `WWW-Authenticate` for an answer with this status.
fn challenge(status: StatusCode, has_token: bool) -> Option<&'static str> {
    match (status, has_token) {
        (StatusCode::UNAUTHORIZED, false) => Some("Bearer"),
        (StatusCode::UNAUTHORIZED, true) => Some("Bearer error=\"invalid_token\""),
        (StatusCode::FORBIDDEN, true) => Some("Bearer error=\"insufficient_scope\""),
        _ => None,
    }
}

/// Returns why this caller may not read, with the answer's status; `None` if it may.
pub(crate) fn refusal(context: &RequestContext) -> Option<(StatusCode, Error)> {
    let error = context.caller.require(Scope::Read).err()?;
    Some((status_of(error.code()), error))
}
