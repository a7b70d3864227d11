//! The handshake of a socket: checks the origin, chooses the subprotocol, and sets the limits.

use axum::{
    body::Body,
    extract::{
        FromRequestParts, Request, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection,
    },
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
        listener::{poll_turns::CallerTurns, received_bytes::ReceivedBytes},
        request_log,
        websocket::{connection, protocol::Subprotocol, transport::Transport},
    },
};

/// The buffers of a socket, in bytes. Small, because there may be thousands of idle sockets.
const READ_BUFFER: usize = 2 * 1024;
const WRITE_BUFFER: usize = 8 * 1024;

/// The version of the protocol, of RFC 6455, which tells a client of another one to try again.
const VERSION: &str = "13";

/// The seconds after which another socket may be tried: nobody knows when one of the address ends.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

/// Returns whether the request asks for a WebSocket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Upgrades the connection to a socket, unless its origin, its handshake or its subprotocol is
/// refused, or its address has too many sockets.
pub(crate) async fn upgrade(
    api: Api,
    context: RequestContext,
    request: Request<Body>,
) -> Result<Response, HttpRefusal> {
    let (mut parts, _) = request.into_parts();
    let config = &api.app().config.http;
    cors::check_site(&context)?;
    let max_message = config.max_message_bytes;
    let received = parts.extensions.get::<ReceivedBytes>().cloned();
    let received = received.unwrap_or_default();
    let turns = parts.extensions.get::<CallerTurns>().cloned();
    let turns = turns.unwrap_or_default();
    let mut upgrade = into_upgrade(&mut parts).await?;
    let protocol = choose_subprotocol(&parts.headers).ok_or_else(|| {
        HttpRefusal::new(
            StatusCode::BAD_REQUEST,
            "Sec-WebSocket-Protocol: graphql-transport-ws or graphql-ws is needed",
        )
    })?;
    let permit = api.app().rate_limiter.acquire_socket(&context);
    let permit = permit.map_err(|error| {
        HttpRefusal::from_error(StatusCode::TOO_MANY_REQUESTS, &error)
            .with_header(header::RETRY_AFTER, RETRY_AFTER)
    })?;
    upgrade.set_selected_protocol(HeaderValue::from_static(protocol.name()));
    Ok(upgrade
        .max_message_size(max_message)
        // A frame is refused on its header, before its payload is buffered.
        .max_frame_size(max_message)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .on_upgrade(move |socket| {
            let tasks = api.app().tasks.clone();
            let span = request_log::socket_span(&context);
            let run = async move {
                let transport = Transport::new(socket, received, api.app(), &context);
                connection::run(api, context, transport, protocol, turns).await;
                // Held until here: the permit counts the socket for as long as it is open.
                drop(permit);
            };
            // A socket has left `Listener::open`, so a stopping server waits for it through this.
            tasks.track_future(run.instrument(span))
        }))
}

/// Returns the first known subprotocol that the client offers. Some clients rely on getting their
/// first choice, and axum sorts the offers, so the header is read here.
fn choose_subprotocol(headers: &HeaderMap) -> Option<Subprotocol> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .find_map(|offer| {
            Subprotocol::ALL
                .into_iter()
                .find(|protocol| protocol.name() == offer)
        })
}

/// Checks the handshake.
async fn into_upgrade(parts: &mut Parts) -> Result<WebSocketUpgrade, HttpRefusal> {
    WebSocketUpgrade::from_request_parts(parts, &())
        .await
        .map_err(|rejection| match rejection {
            WebSocketUpgradeRejection::InvalidWebSocketVersionHeader(_) => {
                let message = format!("Sec-WebSocket-Version: {VERSION} is needed");
                HttpRefusal::bad_request(message).with_header(
                    header::SEC_WEBSOCKET_VERSION,
                    HeaderValue::from_static(VERSION),
                )
            }
            other => {
                let status = other.into_response().status();
                HttpRefusal::new(status, "this is not a WebSocket handshake")
            }
        })
}
