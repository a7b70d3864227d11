//! Who asks and from where, worked out once for every route and transport.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};

use crate::{auth::Call, graphql::Api};

/// Asks that the answer say what it cost.
const COST: &str = "graphql-cost";

/// Gives the request its `Call`.
pub(super) async fn identify(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let call = Call {
        caller: api.app().anonymous(),
        address: peer.ip().to_canonical(),
        id: Arc::from(""),
        wants_cost: request.headers().get(COST).is_some_and(|v| v == "1"),
    };
    request.extensions_mut().insert(call);
    next.run(request).await
}
