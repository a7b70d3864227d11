//! Messages specific to the legacy subprotocol.

use serde_json::json;

use super::{OLD, check_alive, check_closed, open, receive};
use crate::support::{server::Server, ws::Ws};

#[tokio::test]
async fn keep_alives_follow_the_ack_and_repeat() {
    let server = Server::with_flags(&["--socket-ping-seconds", "1"]).await;
    let mut ws = Ws::open(server.address, OLD).await.unwrap();
    ws.send(json!({ "type": "connection_init", "payload": null }))
        .await;
    assert_eq!(ws.receive().await, json!({ "type": "connection_ack" }));
    for _ in 0..3 {
        assert_eq!(ws.receive().await, json!({ "type": "ka" }));
    }
}

#[tokio::test]
async fn errors_have_the_form_its_clients_expect() {
    let server = Server::start().await;
    let mut ws = open(&server, OLD).await;
    // Refused, or a stream that fails: one object with a message.
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { stepEvents(after: \"00000000000000000000000f\") { cursor } }",
            "CURSOR_EXPIRED",
        ),
    ] {
        ws.send(json!({ "id": "1", "type": "start", "payload": { "query": query } }))
            .await;
        let message = receive(&mut ws).await;
        assert_eq!(
            (&message["id"], &message["type"]),
            (&json!("1"), &json!("error")),
            "{message:#}"
        );
        assert!(message["payload"]["message"].is_string(), "{message:#}");
        assert_eq!(message["payload"]["extensions"]["code"], code);
        check_alive(&mut ws, OLD).await;
    }
    // Failed while it ran: a result, and the end.
    let query = "mutation { addBuild(builderid: 9) { build { number } } }";
    ws.send(json!({ "id": "1", "type": "start", "payload": { "query": query } }))
        .await;
    let message = receive(&mut ws).await;
    assert_eq!(message["type"], "data", "{message:#}");
    assert_eq!(
        message["payload"]["errors"][0]["extensions"]["code"],
        "NOT_FOUND"
    );
    assert_eq!(
        receive(&mut ws).await,
        json!({ "id": "1", "type": "complete" })
    );
}

#[tokio::test]
async fn stop_completes_and_frees_the_id() {
    let server = Server::start().await;
    let mut ws = open(&server, OLD).await;
    let payload = json!({ "query": "subscription { stepEvents { cursor } }" });
    for _ in 0..3 {
        ws.send(json!({ "id": "1", "type": "start", "payload": payload }))
            .await;
        ws.send(json!({ "id": "1", "type": "stop" })).await;
        assert_eq!(
            receive(&mut ws).await,
            json!({ "id": "1", "type": "complete" })
        );
    }
    ws.send(json!({ "id": "unknown", "type": "stop" })).await;
    check_alive(&mut ws, OLD).await;
}

#[tokio::test]
async fn terminate_closes_the_socket() {
    let server = Server::start().await;
    let mut ws = open(&server, OLD).await;
    ws.send(json!({ "type": "connection_terminate" })).await;
    check_closed(&mut ws, 1000, "").await;
}
