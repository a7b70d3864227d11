//! Who asks and from where, worked out once for every route and transport.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};

use super::address;
use crate::{auth::Call, graphql::Api};

/// Gives the request its `Call`.
pub(super) async fn identify(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let call = Call {
        caller: api.app().anonymous(),
        address: address::of_client(peer.ip(), request.headers(), &api.app().config.connection),
        id: Arc::from(""),
        wants_cost: false,
    };
    request.extensions_mut().insert(call);
    next.run(request).await
}
