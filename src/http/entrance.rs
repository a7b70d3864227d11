//! The outermost layer, of every request to a listening address. It is one, because each layer
//! copies all those inside it for every request.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};

use crate::http::{
    head_limit::refuse_long_head,
    host::{HostCheck, refuse_host},
    request_log::{RequestLog, log_request},
    response_headers::restrict_browsers,
};

/// What a listening address checks and records.
pub(crate) struct Entrance {
    pub(crate) log: RequestLog,
    pub(crate) hosts: HostCheck,
    pub(crate) is_tls: bool,
}

/// Counts and logs every answer, under an id that all lines about the request have. Checks the head
/// before anything reads it or costs something.
pub(crate) async fn enter(
    State(entrance): State<Arc<Entrance>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let answer = async |mut request| {
        let mut response = match refuse(&entrance, peer, &mut request) {
            None => next.run(request).await,
            Some(refusal) => refusal,
        };
        // The pages have set a policy of their own, and this keeps it.
        restrict_browsers(response.headers_mut(), entrance.is_tls);
        response
    };
    log_request(&entrance.log, peer, request, answer).await
}

fn refuse(entrance: &Entrance, peer: SocketAddr, request: &mut Request) -> Option<Response> {
    refuse_long_head(request).or_else(|| refuse_host(&entrance.hosts, peer, request))
}
