//! Every code that a socket is closed with.

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{
    NEW, OLD, check_alive, check_closed, init, open, receive, send_text, start_type, subscribe,
};
use crate::support::{server::Server, ws::Ws};

#[tokio::test]
async fn a_socket_without_an_init_is_closed_with_4408() {
    let server = Server::with_flags(&["--socket-init-seconds", "1"]).await;
    for protocol in [NEW, OLD] {
        let mut ws = Ws::open(server.address, protocol).await.unwrap();
        check_closed(&mut ws, 4408, "connection_init").await;
    }
    // Other traffic does not extend the deadline.
    let mut ws = Ws::open(server.address, NEW).await.unwrap();
    ws.send(json!({ "type": "ping" })).await;
    check_closed(&mut ws, 4408, "connection_init").await;
}

#[tokio::test]
async fn an_operation_before_the_ack_closes_with_4401() {
    let server = Server::start().await;
    for protocol in [NEW, OLD] {
        let mut ws = Ws::open(server.address, protocol).await.unwrap();
        let payload = json!({ "query": "{ __typename }" });
        ws.send(json!({ "id": "1", "type": start_type(protocol), "payload": payload }))
            .await;
        check_closed(&mut ws, 4401, "connection_init").await;
    }
}

#[tokio::test]
async fn a_second_init_closes_with_4429() {
    let server = Server::start().await;
    for protocol in [NEW, OLD] {
        let mut ws = open(&server, protocol).await;
        ws.send(init()).await;
        check_closed(&mut ws, 4429, "second").await;
    }
}

#[tokio::test]
async fn anonymous_callers_are_closed_with_4403() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    let mut ws = Ws::open(server.address, NEW).await.unwrap();
    ws.send(init()).await;
    check_closed(&mut ws, 4403, "token").await;
    // The legacy subprotocol has an error message for it, which comes first.
    let mut ws = Ws::open(server.address, OLD).await.unwrap();
    ws.send(init()).await;
    let message = ws.receive().await;
    assert_eq!(message["type"], "connection_error");
    assert!(message["payload"]["message"].is_string(), "{message:#}");
    assert_eq!(message["payload"]["extensions"]["code"], "UNAUTHENTICATED");
    check_closed(&mut ws, 4403, "token").await;
}

#[tokio::test]
async fn a_duplicate_operation_id_closes_with_4409() {
    let server = Server::start().await;
    for protocol in [NEW, OLD] {
        let mut ws = open(&server, protocol).await;
        let payload = json!({ "query": "subscription { stepEvents { cursor } }" });
        for _ in 0..2 {
            ws.send(json!({ "id": "häh", "type": start_type(protocol), "payload": payload }))
                .await;
        }
        check_closed(&mut ws, 4409, "häh").await;
    }
}

#[tokio::test]
async fn an_invalid_message_closes_with_4400() {
    let server = Server::start().await;
    let long = "ä".repeat(200);
    let start =
        |id: &Value, payload: &Value| json!({ "id": id, "type": "subscribe", "payload": payload });
    let query = json!({ "query": "{ __typename }" });
    let with = |name: &str, value: Value| {
        let mut payload = query.clone();
        payload[name] = value;
        start(&json!("1"), &payload).to_string()
    };
    let rows = [
        (String::new(), "JSON"),
        ("{".to_owned(), "JSON"),
        ("nonsense".to_owned(), "JSON"),
        ("null".to_owned(), "object"),
        ("[]".to_owned(), "object"),
        (r#""connection_init""#.to_owned(), "object"),
        ("{}".to_owned(), "type: "),
        (r#"{"type":3}"#.to_owned(), "type: "),
        (r#"{"type":"data"}"#.to_owned(), "type: "),
        (r#"{"type":"start","id":"1"}"#.to_owned(), "type: "),
        (json!({ "type": long }).to_string(), "type: "),
        (r#"{"type":"ping","payload":3}"#.to_owned(), "payload: "),
        (r#"{"type":"pong","payload":"x"}"#.to_owned(), "payload: "),
        (r#"{"type":"complete"}"#.to_owned(), "id: "),
        (r#"{"type":"complete","id":""}"#.to_owned(), "id: "),
        (
            json!({ "type": "subscribe", "payload": query }).to_string(),
            "id: ",
        ),
        (start(&json!(""), &query).to_string(), "id: "),
        (start(&json!(7), &query).to_string(), "id: "),
        (start(&json!("x".repeat(257)), &query).to_string(), "256"),
        (
            json!({ "type": "subscribe", "id": "1" }).to_string(),
            "payload: ",
        ),
        (start(&json!("1"), &json!([])).to_string(), "payload: "),
        (
            start(&json!("1"), &json!("{ __typename }")).to_string(),
            "payload: ",
        ),
        (start(&json!("1"), &json!({})).to_string(), "query: "),
        (with("query", json!(null)), "query: "),
        (with("query", json!([&long])), "query: "),
        (with("variables", json!([1])), "variables: "),
        (with("operationName", json!(3)), "operationName: "),
        (with("extensions", json!("x")), "extensions: "),
    ];
    for (text, about) in rows {
        let mut ws = open(&server, NEW).await;
        send_text(&mut ws, &text).await;
        check_closed(&mut ws, 4400, about).await;
    }
    let mut ws = open(&server, OLD).await;
    send_text(&mut ws, r#"{"type":"ping"}"#).await;
    check_closed(&mut ws, 4400, "graphql-ws").await;
    let mut ws = open(&server, NEW).await;
    ws.socket
        .send(Message::binary(init().to_string().into_bytes()))
        .await
        .unwrap();
    check_closed(&mut ws, 4400, "text").await;
    let mut ws = Ws::open(server.address, NEW).await.unwrap();
    send_text(&mut ws, r#"{"type":"connection_init","payload":[]}"#).await;
    check_closed(&mut ws, 4400, "payload: ").await;
}

#[tokio::test]
async fn an_oversized_message_closes_with_1009() {
    let server = Server::with_flags(&["--max-message-bytes", "2000"]).await;
    let query = |bytes: usize| {
        let text = subscribe("1", "").to_string();
        subscribe("1", &" ".repeat(bytes - text.len()))
    };
    let mut ws = open(&server, NEW).await;
    // No valid query, but a valid message.
    ws.send(query(2_000)).await;
    assert_eq!(receive(&mut ws).await["type"], "error");
    check_alive(&mut ws, NEW).await;
    ws.send(query(2_001)).await;
    check_closed(&mut ws, 1009, "").await;
}

#[tokio::test]
async fn invalid_utf8_closes_with_1007() {
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };
    let server = Server::start().await;
    let mut ws = open(&server, NEW).await;
    let frame = Frame::message(vec![0x7b, 0xff, 0xfe], OpCode::Data(Data::Text), true);
    ws.socket.send(Message::Frame(frame)).await.unwrap();
    check_closed(&mut ws, 1007, "").await;
}

#[tokio::test]
async fn a_stopping_server_closes_with_1001() {
    let server = Server::start().await;
    let mut sockets = Vec::new();
    for protocol in [NEW, OLD] {
        // Before the acknowledgement, after it, and with an operation.
        sockets.push(Ws::open(server.address, protocol).await.unwrap());
        sockets.push(open(&server, protocol).await);
        let mut busy = open(&server, protocol).await;
        let payload = json!({ "query": "subscription { stepEvents { cursor } }" });
        busy.send(json!({ "id": "1", "type": start_type(protocol), "payload": payload }))
            .await;
        check_alive(&mut busy, protocol).await;
        sockets.push(busy);
    }
    server.handle.stop();
    for ws in &mut sockets {
        check_closed(ws, 1001, "going down").await;
    }
    server.stop().await;
}

/// Each 100 KiB of a message cost 100 points, whatever it says.
#[tokio::test]
async fn messages_that_nobody_pays_for_close_with_1013() {
    let flags = ["--rate-points", "1000", "--rate-points-per-second", "1"];
    for kind in ["ping", "pong", "complete"] {
        let server = Server::with_flags(&flags).await;
        let mut ws = server.ws().await;
        let mut message =
            json!({ "type": kind, "id": "1", "payload": { "p": " ".repeat(102_400) } });
        if kind == "complete" {
            message["payload"] = message["payload"]["p"].take();
        }
        for _ in 0..11 {
            send_text(&mut ws, &message.to_string()).await;
        }
        let (code, reason) = ws.close_frame().await.unwrap();
        assert_eq!(code, 1013, "{kind}: {reason}");
        assert!(reason.contains("rate-points is 1000"), "{kind}: {reason}");
    }
}
