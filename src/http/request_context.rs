//! The layer that gives each request its context: the caller, its address and the request's id.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};

use crate::{
    auth::{authorization::is_empty, request_context::RequestContext},
    domain::error::Error,
    graphql::api::Api,
    http::{
        client_address::client_address,
        cross_site::site_of,
        request_log::{RequestId, record_caller},
        response_headers::report_points,
    },
};

/// A client sends this header with the value `1` to learn what its operation cost.
const COST: &str = "graphql-cost";

/// The layer's state.
#[derive(Clone)]
pub(crate) struct CallerGate {
    pub(crate) api: Api,
    /// Whether these routes cost points.
    pub(crate) reports_points: bool,
}

/// Authenticates the caller and inserts the request's context.
///
/// A rejected caller is passed on, because each route refuses in its own format. The challenge,
/// which tells the client how to authenticate, is added here for all of them.
pub(crate) async fn authenticate(
    State(CallerGate {
        api,
        reports_points,
    }): State<CallerGate>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let request_id = request.extensions().get::<RequestId>().cloned();
    let context = build(&api, peer, request.headers(), request_id).await;
    record_caller(&context);
    let tokens = request.headers().get_all(header::AUTHORIZATION);
    let has_token = tokens.iter().any(|value| !is_empty(value.as_bytes()));
    let charged = context.clone();
    request.extensions_mut().insert(context);
    let mut response = next.run(request).await;
    if reports_points {
        report_points(&api, &charged, &mut response);
    }
    settle(&api, &charged, response.status());
    // For the layer that counts the answer until it is sent.
    response
        .extensions_mut()
        .insert(api.app().rate_limiter.memory(&charged));
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
    let address = client_address(peer.ip(), headers, &app.config.connection);
    let can_pay = app.rate_limiter.can_pay_rejection(address);
    RequestContext {
        caller: app.access.authenticate_header(tokens, can_pay).await,
        address,
        request_id: request_id.map_or_else(|| Arc::from(""), |id| id.0),
        wants_cost: headers.get(COST).is_some_and(|value| value == "1"),
        site: site_of(headers, peer, &app.config),
    }
}

/// Charges a refused token for which the route has charged nothing, such as with 404 or a
/// preflight, and notes who is out of points.
fn settle(api: &Api, context: &RequestContext, status: StatusCode) {
    let app = api.app();
    let is_rejected = matches!(context.caller.may, Err(Error::BadToken(_)));
    match status {
        StatusCode::TOO_MANY_REQUESTS => app.access.note_without_points(&context.caller),
        // The route has admitted nobody, and charged for it.
        StatusCode::UNAUTHORIZED => {}
        _ if is_rejected => app.rate_limiter.charge_rejected(context),
        _ => {}
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
