//! WebSocket messages that are not all there.

use std::time::Duration;

use futures_util::SinkExt;
use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, sleep},
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::check_returned;
use crate::support::{server::Server, wait_until, ws::Ws};

const FLAGS: [&str; 2] = ["--read-timeout-seconds", "1"];

/// A part of a text; only the first one says that it is a text.
fn part(text: &str, is_first: bool, is_last: bool) -> Message {
    let kind = if is_first { Data::Text } else { Data::Continue };
    let text = text.as_bytes().to_vec();
    Message::Frame(Frame::message(text, OpCode::Data(kind), is_last))
}

#[tokio::test]
async fn a_message_without_an_end_closes_with_1008() {
    let server = Server::with_flags(&FLAGS).await;
    // In frames, between which come pings, so that the socket is never silent.
    let mut ws = server.ws().await;
    ws.socket
        .send(part("{\"type\":", true, false))
        .await
        .unwrap();
    let sending = async {
        loop {
            sleep(Duration::from_millis(50)).await;
            let ping = Message::Ping("alive".into());
            let sent = ws.socket.send(ping).await;
            if sent.is_err() || ws.socket.send(part(" ", false, false)).await.is_err() {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(15), sending)
        .await
        .expect("it is closed");
    // In one frame that comes byte by byte.
    let mut ws = server.ws().await;
    let (code, reason) = {
        let stream = ws.socket.get_mut();
        stream
            .write_all(&[0x81, 0xfe, 0x10, 0x00, 0, 0, 0, 0, b'{'])
            .await
            .unwrap();
        ws.message_or_close().await.unwrap_err()
    };
    assert_eq!(code, 1008, "{reason}");
    assert!(reason.contains("read-timeout-seconds is 1"), "{reason}");
    check_returned(&server).await;
}

#[tokio::test]
async fn a_message_that_is_sent_in_time_is_read_however_long_the_socket_lives() {
    let server = Server::with_flags(&FLAGS).await;
    let mut ws = server.ws().await;
    let begun = Instant::now();
    // Each message is slow, all together take several times the timeout.
    while begun.elapsed() < Duration::from_secs(3) {
        let text =
            json!({ "id": "1", "type": "subscribe", "payload": { "query": "{ __typename }" } });
        let text = text.to_string();
        let (first, second) = text.split_at(20);
        ws.socket.send(part(first, true, false)).await.unwrap();
        ws.socket.send(Message::Ping("alive".into())).await.unwrap();
        sleep(Duration::from_millis(200)).await;
        ws.socket.send(part(second, false, true)).await.unwrap();
        assert_eq!(ws.receive().await["type"], "next");
        assert_eq!(ws.receive().await["type"], "complete");
        for _ in 0..3 {
            ws.socket.send(Message::Ping("alive".into())).await.unwrap();
        }
    }
    sleep(Duration::from_millis(1_500)).await;
    ws.send(json!({ "type": "ping" })).await;
    assert_eq!(ws.receive().await["type"], "pong");
}

#[tokio::test]
async fn what_has_come_of_a_message_counts() {
    let server = Server::start().await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        let mut ws = server.ws().await;
        ws.socket
            .send(part(&"x".repeat(500_000), true, false))
            .await
            .unwrap();
        sockets.push(ws);
    }
    wait_until(async || server.handle.memory_held() >= 5_000_000).await;
    drop(sockets);
    check_returned(&server).await;

    let flags = [
        "--max-memory-bytes",
        "100000",
        "--max-memory-bytes-per-caller",
        "0",
    ];
    let server = Server::with_flags(&flags).await;
    let mut ws = server.ws().await;
    ws.socket
        .send(part(&"x".repeat(200_000), true, false))
        .await
        .unwrap();
    let (code, reason) = ws.message_or_close().await.unwrap_err();
    assert_eq!(code, 1013);
    assert!(reason.contains("no memory for this now"), "{reason}");
    check_returned(&server).await;
}

#[tokio::test]
async fn a_long_message_before_the_init_closes_with_1009() {
    let server = Server::start().await;
    let long = json!({ "type": "connection_init", "payload": { "x": "x".repeat(70_000) } });
    for is_whole in [true, false] {
        let mut ws = Ws::open(server.address, "graphql-transport-ws")
            .await
            .unwrap();
        let first = part(&long.to_string(), true, is_whole);
        ws.socket.send(first).await.unwrap();
        let (code, reason) = ws.message_or_close().await.unwrap_err();
        assert_eq!(code, 1009, "{reason}");
        assert!(reason.contains("connection_init"), "{reason}");
    }
    let mut ws = Ws::open(server.address, "graphql-transport-ws")
        .await
        .unwrap();
    ws.send(json!({ "type": "connection_init", "payload": { "x": "x".repeat(50_000) } }))
        .await;
    assert_eq!(ws.receive().await["type"], "connection_ack");
}
