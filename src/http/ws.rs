//! GraphQL over WebSocket, both subprotocols: the frames are the library's, the socket's life is ours.

use std::time::Duration;

use async_graphql::http::ALL_WEBSOCKET_PROTOCOLS;
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::{
    body::Body,
    extract::{
        FromRequestParts, Request, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::{SinkExt, StreamExt};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::PollSender;

use super::graphql::Refusal;
use crate::graphql::Api;

/// The largest message that a client may send, in bytes.
const MAX_MESSAGE: usize = 1 << 20;
/// The buffers of a socket, in bytes: most sockets are idle, and there may be thousands.
const BUFFER: usize = 8 * 1024;
/// How long a closing handshake may take.
const CLOSING: Duration = Duration::from_secs(1);

/// The request asks for a WebSocket.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Turns the connection into a socket, if its subprotocol and origin are right.
pub(super) async fn upgrade(api: Api, request: Request<Body>) -> Result<Response, Refusal> {
    let (mut parts, _) = request.into_parts();
    if !same_origin(&parts.headers) {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "Origin: only pages of this server may open a socket",
        ));
    }
    choose_protocol(&mut parts.headers);
    let protocol = GraphQLProtocol::from_request_parts(&mut parts, &())
        .await
        .map_err(|status| {
            Refusal::new(
                status,
                "Sec-WebSocket-Protocol: graphql-transport-ws or graphql-ws is needed",
            )
        })?;
    let upgrade = into_upgrade(&mut parts).await?;
    Ok(upgrade
        .protocols(ALL_WEBSOCKET_PROTOCOLS)
        .max_message_size(MAX_MESSAGE)
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .on_upgrade(move |socket| {
            let tasks = api.app().tasks.clone();
            tasks.track_future(run(api, socket, protocol))
        }))
}

async fn into_upgrade(parts: &mut Parts) -> Result<WebSocketUpgrade, Refusal> {
    WebSocketUpgrade::from_request_parts(parts, &())
        .await
        .map_err(|rejection| {
            let status = rejection.into_response().status();
            Refusal::new(status, "this is not a WebSocket handshake")
        })
}

/// Of the subprotocols that the client offers, leaves the one we like best, so that the answer names what is spoken.
fn choose_protocol(headers: &mut HeaderMap) {
    let offered: Vec<String> = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(|name| name.trim().to_owned()))
        .collect();
    let best = ALL_WEBSOCKET_PROTOCOLS
        .iter()
        .find(|name| offered.iter().any(|o| o == *name));
    if let Some(name) = best {
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(name),
        );
    }
}

/// A browser says which page asks; a page of another site must not act through its visitor's browser.
fn same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers.get(header::HOST).map(header::HeaderValue::as_bytes);
    origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .is_some_and(|(_, from)| Some(from.as_bytes()) == host)
}

async fn run(api: Api, socket: WebSocket, protocol: GraphQLProtocol) {
    let stop = api.app().stop.clone();
    let patience = Duration::from_secs(api.app().config.http.write_timeout_seconds.max(1));
    let (mut out, incoming) = socket.split();
    // One frame waits here; a client that takes none holds its own streams still, and nobody else.
    let (sender, mut frames) = mpsc::channel::<Message>(1);
    let serve =
        GraphQLWebSocket::new_with_pair(PollSender::new(sender), incoming, api, protocol).serve();
    let send = async {
        while let Some(frame) = frames.recv().await {
            match timeout(patience, out.send(frame)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    tracing::info!("a socket whose client took nothing is closed");
                    return;
                }
            }
        }
    };
    let ended = async {
        let mut serve = std::pin::pin!(serve);
        let mut send = std::pin::pin!(send);
        tokio::select! {
            // What was said last, such as a close frame, still goes out: `send` ends when `serve` has dropped its end.
            () = &mut serve => send.await,
            () = &mut send => {}
        }
    };
    if stop.run_until_cancelled(ended).await.is_none() {
        let goodbye = Message::Close(Some(CloseFrame {
            code: close_code::AWAY,
            reason: "the server is going down".into(),
        }));
        // A client that is gone already has nothing left to be told.
        let _ = timeout(CLOSING, async {
            out.send(goodbye).await?;
            out.close().await
        })
        .await;
    }
}
