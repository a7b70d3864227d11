//! The lifetime of a socket: pings of both levels, and clients that have vanished.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use super::{NEW, OLD, check_alive, open, receive, subscribe};
use crate::support::{TIMEOUT, server::Server, ws::Ws};

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let server = Server::start().await;
    // Both before and after the acknowledgement.
    let mut ws = Ws::open(server.address, NEW).await.unwrap();
    for open in [false, true] {
        if open {
            ws.send(super::init()).await;
            assert_eq!(receive(&mut ws).await["type"], "connection_ack");
        }
        ws.send(json!({ "type": "ping" })).await;
        assert_eq!(receive(&mut ws).await, json!({ "type": "pong" }));
        let payload = json!({ "at": 1, "ü": [null] });
        ws.send(json!({ "type": "ping", "payload": payload })).await;
        assert_eq!(
            receive(&mut ws).await,
            json!({ "type": "pong", "payload": payload })
        );
        for payload in [json!(null), json!({}), json!({ "a": 1 })] {
            ws.send(json!({ "type": "pong", "payload": payload })).await;
        }
    }
    check_alive(&mut ws, NEW).await;
}

#[tokio::test]
async fn a_ping_frame_is_answered_too() {
    let server = Server::start().await;
    let mut ws = open(&server, NEW).await;
    ws.socket.send(Message::Ping("hello".into())).await.unwrap();
    let pong = timeout(TIMEOUT, ws.socket.next()).await.unwrap();
    assert_eq!(pong.unwrap().unwrap(), Message::Pong("hello".into()));
}

#[tokio::test]
async fn a_client_that_answers_pings_may_be_silent() {
    let server = Server::with_flags(&["--socket-ping-seconds", "1"]).await;
    for protocol in [NEW, OLD] {
        let mut ws = open(&server, protocol).await;
        let mut pings = 0;
        while pings < 3 {
            match timeout(TIMEOUT, ws.socket.next()).await.unwrap() {
                // The client replies to it on its next poll.
                Some(Ok(Message::Ping(_))) => pings += 1,
                Some(Ok(_)) => {}
                other => panic!("{protocol}: {other:?}"),
            }
        }
        check_alive(&mut ws, protocol).await;
    }
}

/// A connection that has upgraded and sent `connection_init`, and then stays idle.
async fn raw(server: &Server, protocol: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {protocol}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
        .write_all(&text_frame(&super::init().to_string()))
        .await
        .unwrap();
    stream
}

/// A short text as a client frame, masked with zeros.
fn text_frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_dropped() {
    let server = Server::with_flags(&["--socket-ping-seconds", "1"]).await;
    for protocol in [NEW, OLD] {
        let mut stream = raw(&server, protocol).await;
        let mut output = Vec::new();
        timeout(TIMEOUT, stream.read_to_end(&mut output))
            .await
            .expect("it is kept")
            .unwrap();
        // A ping, an empty frame, came first.
        assert!(output.windows(2).any(|w| w == [0x89, 0]), "{output:?}");
    }
    assert_eq!(server.handle.tasks(), idle_tasks(&server).await);
}

/// The number of tasks without an open socket.
async fn idle_tasks(server: &Server) -> usize {
    let fewest = timeout(TIMEOUT, async {
        // The tail, retention, the check for revoked tokens, and the look at the database.
        while server.handle.tasks() > 4 {
            sleep(Duration::from_millis(20)).await;
        }
    });
    fewest.await.expect("a socket is left");
    server.handle.tasks()
}

/// Any message counts as a sign of life, not only a reply to a ping.
#[tokio::test]
async fn any_message_keeps_a_socket_open() {
    let server = Server::with_flags(&["--socket-ping-seconds", "1"]).await;
    let mut stream = raw(&server, NEW).await;
    let (mut read, mut write) = stream.split();
    let talk = async {
        for _ in 0..12 {
            sleep(Duration::from_millis(300)).await;
            let pong = text_frame(&json!({ "type": "pong" }).to_string());
            write.write_all(&pong).await.unwrap();
        }
    };
    let mut sink = Vec::new();
    tokio::select! {
        () = talk => {}
        _ = read.read_to_end(&mut sink) => panic!("it was dropped"),
    }
}

#[tokio::test]
async fn a_closing_client_gets_a_close_frame_and_leaves_no_task() {
    let server = Server::start().await;
    for protocol in [NEW, OLD] {
        let mut ws = open(&server, protocol).await;
        ws.socket.close(None).await.unwrap();
        assert_eq!(ws.close_frame().await, None);
        // Dropped without a close frame.
        drop(open(&server, protocol).await);
    }
    idle_tasks(&server).await;
}

/// The client floods the server with pings and reads no reply: blocked by its unread replies, it is
/// dropped.
#[tokio::test]
async fn a_client_that_floods_pings_and_reads_nothing_is_dropped() {
    let server = Server::with_flags(&["--write-timeout-seconds", "1"]).await;
    let payload = "x".repeat(20_000);
    for level in ["message", "frame"] {
        let mut ws = Ws::with_small_buffer(server.address).await;
        let mut sent = 0_usize;
        let flood = async {
            loop {
                let ping = if level == "message" {
                    Message::text(
                        json!({ "type": "ping", "payload": { "x": payload } }).to_string(),
                    )
                } else {
                    Message::Ping(vec![0; 125].into())
                };
                if ws.socket.feed(ping).await.is_err() {
                    return;
                }
                sent += 1;
            }
        };
        timeout(TIMEOUT, flood)
            .await
            .expect("it is never held back");
        assert!(sent > 10, "{level}");
        let mut other = open(&server, NEW).await;
        check_alive(&mut other, NEW).await;
    }
    idle_tasks(&server).await;
}

#[tokio::test]
async fn operations_end_with_their_socket() {
    let server = Server::start().await;
    for _ in 0..20 {
        let mut ws = open(&server, NEW).await;
        for i in 0..5 {
            ws.send(subscribe(
                &format!("{i}"),
                "subscription { stepEvents { cursor } }",
            ))
            .await;
        }
        check_alive(&mut ws, NEW).await;
    }
    idle_tasks(&server).await;
}
