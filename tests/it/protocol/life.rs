//! How long a socket lives: pings of both levels, and clients that are not there any more.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use super::{NEW, OLD, is_alive, open, receive, subscribe};
use crate::support::{PATIENCE, server::Server, ws::Ws};

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let server = Server::start().await;
    // Before the ack as after it.
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
    is_alive(&mut ws, NEW).await;
}

#[tokio::test]
async fn a_ping_frame_is_answered_too() {
    let server = Server::start().await;
    let mut ws = open(&server, NEW).await;
    ws.socket.send(Message::Ping("hello".into())).await.unwrap();
    let pong = timeout(PATIENCE, ws.socket.next()).await.unwrap();
    assert_eq!(pong.unwrap().unwrap(), Message::Pong("hello".into()));
}

#[tokio::test]
async fn who_answers_pings_may_be_silent() {
    let server = Server::with(&["--socket-ping-seconds", "1"]).await;
    for protocol in [NEW, OLD] {
        let mut ws = open(&server, protocol).await;
        let mut pings = 0;
        while pings < 3 {
            match timeout(PATIENCE, ws.socket.next()).await.unwrap() {
                // The client answers by itself when it is polled next.
                Some(Ok(Message::Ping(_))) => pings += 1,
                Some(Ok(_)) => {}
                other => panic!("{protocol}: {other:?}"),
            }
        }
        is_alive(&mut ws, protocol).await;
    }
}

/// A connection that has upgraded and said `connection_init`, and then is left alone.
async fn raw(server: &Server, protocol: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
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

/// A short text as a client's frame, masked with zeros.
fn text_frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

#[tokio::test]
async fn who_answers_no_ping_is_dropped() {
    let server = Server::with(&["--socket-ping-seconds", "1"]).await;
    for protocol in [NEW, OLD] {
        let mut stream = raw(&server, protocol).await;
        let mut said = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut said))
            .await
            .expect("it is kept")
            .unwrap();
        // Not without a ping, an empty frame.
        assert!(said.windows(2).any(|w| w == [0x89, 0]), "{said:?}");
    }
    assert_eq!(server.handle.tasks(), quiet(&server).await);
}

/// How many tasks run when no socket is open.
async fn quiet(server: &Server) -> usize {
    let fewest = timeout(PATIENCE, async {
        // The tail, whoever drops old events, and whoever looks for revoked tokens.
        while server.handle.tasks() > 3 {
            sleep(Duration::from_millis(20)).await;
        }
    });
    fewest.await.expect("a socket is left");
    server.handle.tasks()
}

/// What it sends counts, even if it is no answer to a ping.
#[tokio::test]
async fn who_sends_is_there() {
    let server = Server::with(&["--socket-ping-seconds", "1"]).await;
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
async fn a_client_that_closes_is_answered_and_forgotten() {
    let server = Server::start().await;
    for protocol in [NEW, OLD] {
        let mut ws = open(&server, protocol).await;
        ws.socket.close(None).await.unwrap();
        assert_eq!(ws.closing().await, None);
        // Gone without a word.
        drop(open(&server, protocol).await);
    }
    quiet(&server).await;
}

/// It floods the server with what wants an answer, and reads none: held back by its own unread answers, it is dropped.
#[tokio::test]
async fn a_flood_of_pings_that_nobody_reads_the_answers_of() {
    let server = Server::with(&["--write-timeout-seconds", "1"]).await;
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
        timeout(PATIENCE, flood)
            .await
            .expect("it is never held back");
        assert!(sent > 10, "{level}");
        let mut other = open(&server, NEW).await;
        is_alive(&mut other, NEW).await;
    }
    quiet(&server).await;
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
        is_alive(&mut ws, NEW).await;
    }
    quiet(&server).await;
}
