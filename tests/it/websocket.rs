//! Messages on a socket: graphql-transport-ws case by case, and the legacy subprotocol.

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{server::Server, ws::Ws};

mod close_codes;
mod keep_alive;
mod legacy;
mod malformed_messages;
mod operations;
mod origins;
mod upgrade;

const NEW: &str = "graphql-transport-ws";
const OLD: &str = "graphql-ws";

/// The message type that starts an operation.
fn start_type(protocol: &str) -> &'static str {
    if protocol == NEW {
        "subscribe"
    } else {
        "start"
    }
}

fn init() -> Value {
    json!({ "type": "connection_init" })
}

/// The message that starts an operation in graphql-transport-ws.
fn subscribe(id: &str, query: &str) -> Value {
    json!({ "id": id, "type": "subscribe", "payload": { "query": query } })
}

/// The next message other than a keep-alive.
async fn receive(ws: &mut Ws) -> Value {
    loop {
        let message = ws.receive().await;
        if message["type"] != "ka" {
            return message;
        }
    }
}

/// A socket whose connection was acknowledged.
async fn open(server: &Server, protocol: &str) -> Ws {
    let mut ws = Ws::open(server.address, protocol).await.unwrap();
    ws.send(init()).await;
    assert_eq!(receive(&mut ws).await["type"], "connection_ack");
    ws
}

/// Sends text that need not be JSON.
async fn send_text(ws: &mut Ws, text: &str) {
    ws.socket.send(Message::text(text)).await.unwrap();
}

/// Checks that the socket still responds.
async fn check_alive(ws: &mut Ws, protocol: &str) {
    let payload = json!({ "query": "{ __typename }" });
    ws.send(json!({ "id": "alive", "type": start_type(protocol), "payload": payload }))
        .await;
    let message = receive(ws).await;
    assert_eq!(
        (&message["id"], &message["payload"]),
        (
            &json!("alive"),
            &json!({ "data": { "__typename": "Query" } })
        )
    );
    let complete = json!({ "id": "alive", "type": "complete" });
    assert_eq!(receive(ws).await, complete);
}

/// Checks that the server closes the socket with this code and a reason that fits into the frame
/// and contains this text.
async fn check_closed(ws: &mut Ws, code: u16, about: &str) {
    let (got, reason) = ws.close_frame().await.expect("no close frame");
    assert_eq!(got, code, "{reason}");
    assert!(reason.len() <= 123, "{reason}");
    assert!(reason.contains(about), "{reason:?} without {about:?}");
}
