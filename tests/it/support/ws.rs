//! A GraphQL client over WebSocket, with the subprotocol graphql-transport-ws.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async, connect_async,
    tungstenite::{
        Message, client::IntoClientRequest, handshake::client::Request, http::HeaderValue,
    },
};

use super::TIMEOUT;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The fields that most tests select on an event.
pub(crate) const EVENT: &str =
    "cursor kind step { stepid name stateString results complete hidden }";

/// The request that opens a socket.
fn handshake(address: SocketAddr, protocol: &str) -> Request {
    let mut request = format!("ws://{address}/graphql")
        .into_client_request()
        .unwrap();
    let protocol = HeaderValue::from_str(protocol).unwrap();
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", protocol);
    request
}

/// A socket.
pub(crate) struct Ws {
    pub(crate) socket: Socket,
}

impl Ws {
    /// Opens a socket and waits for the acknowledgement.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).await.unwrap()
    }

    /// The same for a server that may be dying.
    pub(crate) async fn try_connect(address: SocketAddr) -> Option<Self> {
        let mut ws = Self::open(address, "graphql-transport-ws").await?;
        ws.try_send(json!({ "type": "connection_init" })).await?;
        let ack = ws.try_receive().await?;
        assert_eq!(ack["type"], "connection_ack");
        Some(ws)
    }

    /// Opens a socket with a subprotocol and sends nothing.
    pub(crate) async fn open(address: SocketAddr, protocol: &str) -> Option<Self> {
        Self::open_as(address, protocol, None).await
    }

    /// The same with an `Authorization` header.
    pub(crate) async fn open_as(
        address: SocketAddr,
        protocol: &str,
        authorization: Option<&str>,
    ) -> Option<Self> {
        let mut request = handshake(address, protocol);
        if let Some(value) = authorization {
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().insert("Authorization", value);
        }
        let (socket, _) = timeout(TIMEOUT, connect_async(request))
            .await
            .unwrap()
            .ok()?;
        Some(Self { socket })
    }

    /// Opens a socket whose operating system buffers only a few kilobytes before the server has to
    /// wait.
    pub(crate) async fn with_small_buffer(address: SocketAddr) -> Self {
        let tcp = tokio::net::TcpSocket::new_v4().unwrap();
        tcp.set_recv_buffer_size(4_096).unwrap();
        let stream = MaybeTlsStream::Plain(tcp.connect(address).await.unwrap());
        let request = handshake(address, "graphql-transport-ws");
        let (socket, _) = client_async(request, stream).await.unwrap();
        let mut ws = Self { socket };
        ws.send(json!({ "type": "connection_init" })).await;
        assert_eq!(ws.receive().await["type"], "connection_ack");
        ws
    }

    /// Subscribes to `stepEvents` with these arguments, such as `(snapshot: true)`, under the id
    /// "1".
    pub(crate) async fn subscribe(&mut self, arguments: &str) {
        assert!(
            self.try_subscribe(arguments).await.is_some(),
            "the server is gone"
        );
    }

    pub(crate) async fn try_subscribe(&mut self, arguments: &str) -> Option<()> {
        self.try_subscribe_to(&format!("stepEvents{arguments} {{ {EVENT} }}"))
            .await
    }

    /// Subscribes to a root field under the id "1".
    pub(crate) async fn subscribe_to(&mut self, field: &str) {
        assert!(
            self.try_subscribe_to(field).await.is_some(),
            "the server is gone"
        );
    }

    pub(crate) async fn try_subscribe_to(&mut self, field: &str) -> Option<()> {
        let query = format!("subscription {{ {field} }}");
        self.try_send(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } }))
            .await
    }

    pub(crate) async fn send(&mut self, message: Value) {
        assert!(self.try_send(message).await.is_some(), "the server is gone");
    }

    async fn try_send(&mut self, message: Value) -> Option<()> {
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .ok()
    }

    /// The next message.
    pub(crate) async fn receive(&mut self) -> Value {
        self.try_receive().await.expect("the server is gone")
    }

    /// The next message. None if the socket is gone.
    pub(crate) async fn try_receive(&mut self) -> Option<Value> {
        loop {
            let frame = timeout(TIMEOUT, self.socket.next())
                .await
                .expect("no message in time");
            match frame {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return None,
            }
        }
    }

    /// Whether no message comes for a while. It may be wrong in saying so, never in denying it.
    pub(crate) async fn is_silent(&mut self) -> bool {
        timeout(TIMEOUT / 40, self.receive()).await.is_err()
    }

    /// The next event: the content of the root field.
    pub(crate) async fn event(&mut self) -> Value {
        let mut message = self.receive().await;
        assert!(message["payload"].get("errors").is_none(), "{message:#}");
        assert_eq!(message["type"], "next", "{message:#}");
        let fields = message["payload"]["data"].as_object_mut().unwrap();
        fields.values_mut().next().unwrap().take()
    }

    /// The next message, or the code and cursor of the interruption for which the server closes
    /// the socket.
    pub(crate) async fn receive_or_interruption(
        &mut self,
    ) -> Result<Value, (String, Option<String>)> {
        self.message_or_close().await.map_err(|(code, reason)| {
            assert_eq!(code, 1013, "{reason}");
            let (code, advice) = reason.split_once(": subscribe again").unwrap();
            let cursor = advice.strip_prefix(" with after: ").map(str::to_owned);
            (code.to_owned(), cursor)
        })
    }

    /// The code and cursor of the error or the close that ends the stream. Earlier events are
    /// skipped.
    pub(crate) async fn stream_error(&mut self) -> (String, Option<String>) {
        // The server's pings never end.
        timeout(TIMEOUT, self.find_stream_error())
            .await
            .expect("the stream does not end")
    }

    async fn find_stream_error(&mut self) -> (String, Option<String>) {
        loop {
            let message = match self.receive_or_interruption().await {
                Ok(message) => message,
                Err(interruption) => return interruption,
            };
            let error = match message["type"].as_str() {
                Some("next") => &message["payload"]["errors"][0],
                Some("error") => &message["payload"][0],
                _ => panic!("the stream ended without an error: {message:#}"),
            };
            if let Some(code) = error["extensions"]["code"].as_str() {
                let cursor = error["extensions"]["cursor"].as_str().map(str::to_owned);
                return (code.to_owned(), cursor);
            }
        }
    }

    /// The next message, or the code and reason of the close frame.
    pub(crate) async fn message_or_close(&mut self) -> Result<Value, (u16, String)> {
        loop {
            let frame = timeout(TIMEOUT, self.socket.next());
            match frame.await.expect("no message in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(f)))) => {
                    return Err((f.code.into(), f.reason.to_string()));
                }
                Some(Ok(_)) => {}
                other => panic!("neither a message nor a close frame: {other:?}"),
            }
        }
    }

    /// The code of the close frame that ends the socket. Earlier messages are skipped.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        Some(self.close_frame().await?.0)
    }

    /// The code and reason of the close frame.
    pub(crate) async fn close_frame(&mut self) -> Option<(u16, String)> {
        loop {
            match timeout(TIMEOUT, self.socket.next())
                .await
                .expect("no close in time")
            {
                Some(Ok(Message::Close(frame))) => {
                    return frame.map(|f| (f.code.into(), f.reason.to_string()));
                }
                Some(Ok(_)) => {}
                _ => return None,
            }
        }
    }
}
