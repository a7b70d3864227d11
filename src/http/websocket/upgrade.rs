//! The way into a WebSocket: who may open one, in which subprotocol, and how much memory it is given.

use axum::{
    body::Body,
    extract::{FromRequestParts, Request, WebSocketUpgrade},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

use tracing::Instrument;

use crate::{
    auth::request_context::RequestContext,
    graphql::api::Api,
    http::{
        cors,
        graphql::refusal::HttpRefusal,
        request_log,
        websocket::{connection, protocol::Subprotocol},
    },
};

/// The buffers of a socket, in bytes: most sockets are idle, and there may be thousands.
const READ_BUFFER: usize = 2 * 1024;
const WRITE_BUFFER: usize = 8 * 1024;

/// The request asks for a WebSocket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Turns the connection into a socket, if its subprotocol and origin are right.
pub(crate) async fn upgrade(
    api: Api,
    context: RequestContext,
    request: Request<Body>,
) -> Result<Response, HttpRefusal> {
    let (mut parts, _) = request.into_parts();
    let config = &api.app().config.http;
    cors::check(&parts.headers, config)?;
    let max_message = config.max_message_bytes;
    let mut upgrade = into_upgrade(&mut parts).await?;
    let protocol = offered(&parts.headers).ok_or_else(|| {
        HttpRefusal::new(
            StatusCode::BAD_REQUEST,
            "Sec-WebSocket-Protocol: graphql-transport-ws or graphql-ws is needed",
        )
    })?;
    let place = api.app().rate_limiter.acquire_socket(&context);
    let place = place.map_err(|error| HttpRefusal::too_many(&error))?;
    upgrade.set_selected_protocol(HeaderValue::from_static(protocol.name()));
    Ok(upgrade
        .max_message_size(max_message)
        .max_frame_size(max_message)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .on_upgrade(move |socket| {
            let tasks = api.app().tasks.clone();
            let span = request_log::apart(&context);
            let run = async move {
                connection::run(api, context, socket, protocol).await;
                drop(place);
            };
            tasks.track_future(run.instrument(span))
        }))
}

/// The first subprotocol that we know: a client names first what it likes best, and some clients take that for given.
fn offered(headers: &HeaderMap) -> Option<Subprotocol> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|offer| {
            Subprotocol::ALL
                .into_iter()
                .find(|p| p.name() == offer.trim())
        })
}

async fn into_upgrade(parts: &mut Parts) -> Result<WebSocketUpgrade, HttpRefusal> {
    WebSocketUpgrade::from_request_parts(parts, &())
        .await
        .map_err(|rejection| {
            let status = rejection.into_response().status();
            HttpRefusal::new(status, "this is not a WebSocket handshake")
        })
}
