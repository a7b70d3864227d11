//! Each code that a socket is closed with.

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{NEW, OLD, begin, closes, init, is_alive, open, receive, say, subscribe};
use crate::support::{server::Server, ws::Ws};

#[tokio::test]
async fn who_does_not_begin_is_closed_with_4408() {
    let server = Server::with(&["--socket-init-seconds", "1"]).await;
    for protocol in [NEW, OLD] {
        let mut ws = Ws::open(server.address, protocol).await.unwrap();
        closes(&mut ws, 4408, "connection_init").await;
    }
    // Chatting does not put it off.
    let mut ws = Ws::open(server.address, NEW).await.unwrap();
    ws.send(json!({ "type": "ping" })).await;
    closes(&mut ws, 4408, "connection_init").await;
}

#[tokio::test]
async fn an_operation_before_the_ack_is_4401() {
    let server = Server::start().await;
    for protocol in [NEW, OLD] {
        let mut ws = Ws::open(server.address, protocol).await.unwrap();
        let payload = json!({ "query": "{ __typename }" });
        ws.send(json!({ "id": "1", "type": begin(protocol), "payload": payload }))
            .await;
        closes(&mut ws, 4401, "connection_init").await;
    }
}

#[tokio::test]
async fn a_second_init_is_4429() {
    let server = Server::start().await;
    for protocol in [NEW, OLD] {
        let mut ws = open(&server, protocol).await;
        ws.send(init()).await;
        closes(&mut ws, 4429, "second").await;
    }
}

#[tokio::test]
async fn strangers_are_4403() {
    let server = Server::with(&["--anonymous", "none"]).await;
    let mut ws = Ws::open(server.address, NEW).await.unwrap();
    ws.send(init()).await;
    closes(&mut ws, 4403, "token").await;
    // The older one has a message for it, which comes first.
    let mut ws = Ws::open(server.address, OLD).await.unwrap();
    ws.send(init()).await;
    let message = ws.receive().await;
    assert_eq!(message["type"], "connection_error");
    assert!(message["payload"]["message"].is_string(), "{message:#}");
    assert_eq!(message["payload"]["extensions"]["code"], "UNAUTHENTICATED");
    closes(&mut ws, 4403, "token").await;
}

#[tokio::test]
async fn the_id_of_a_running_operation_is_4409() {
    let server = Server::start().await;
    for protocol in [NEW, OLD] {
        let mut ws = open(&server, protocol).await;
        let payload = json!({ "query": "subscription { stepEvents { cursor } }" });
        for _ in 0..2 {
            ws.send(json!({ "id": "häh", "type": begin(protocol), "payload": payload }))
                .await;
        }
        closes(&mut ws, 4409, "häh").await;
    }
}

#[tokio::test]
async fn what_is_no_message_is_4400() {
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
        say(&mut ws, &text).await;
        closes(&mut ws, 4400, about).await;
    }
    let mut ws = open(&server, OLD).await;
    say(&mut ws, r#"{"type":"ping"}"#).await;
    closes(&mut ws, 4400, "graphql-ws").await;
    let mut ws = open(&server, NEW).await;
    ws.socket
        .send(Message::binary(init().to_string().into_bytes()))
        .await
        .unwrap();
    closes(&mut ws, 4400, "text").await;
    let mut ws = Ws::open(server.address, NEW).await.unwrap();
    say(&mut ws, r#"{"type":"connection_init","payload":[]}"#).await;
    closes(&mut ws, 4400, "payload: ").await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_1009() {
    let server = Server::with(&["--max-message-bytes", "2000"]).await;
    let query = |bytes: usize| {
        let text = subscribe("1", "").to_string();
        subscribe("1", &" ".repeat(bytes - text.len()))
    };
    let mut ws = open(&server, NEW).await;
    // No query, but a message.
    ws.send(query(2_000)).await;
    assert_eq!(receive(&mut ws).await["type"], "error");
    is_alive(&mut ws, NEW).await;
    ws.send(query(2_001)).await;
    closes(&mut ws, 1009, "").await;
}

#[tokio::test]
async fn text_that_is_no_text_is_1007() {
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };
    let server = Server::start().await;
    let mut ws = open(&server, NEW).await;
    let frame = Frame::message(vec![0x7b, 0xff, 0xfe], OpCode::Data(Data::Text), true);
    ws.socket.send(Message::Frame(frame)).await.unwrap();
    closes(&mut ws, 1007, "").await;
}

#[tokio::test]
async fn a_server_that_stops_says_1001() {
    let server = Server::start().await;
    let mut sockets = Vec::new();
    for protocol in [NEW, OLD] {
        // Before the ack, after it, and with an operation.
        sockets.push(Ws::open(server.address, protocol).await.unwrap());
        sockets.push(open(&server, protocol).await);
        let mut busy = open(&server, protocol).await;
        let payload = json!({ "query": "subscription { stepEvents { cursor } }" });
        busy.send(json!({ "id": "1", "type": begin(protocol), "payload": payload }))
            .await;
        is_alive(&mut busy, protocol).await;
        sockets.push(busy);
    }
    server.handle.stop();
    for ws in &mut sockets {
        closes(ws, 1001, "going down").await;
    }
    server.stop().await;
}
