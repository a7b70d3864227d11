//! The budget: beyond it new work is UNAVAILABLE, and what runs goes on.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::check_returned;
use crate::support::{server::Server, wait_until};

/// One caller may hold all of it.
const FLAGS: [&str; 6] = [
    "--anonymous",
    "write",
    "--max-memory-bytes",
    "60000",
    "--max-memory-bytes-per-caller",
    "0",
];

/// A query with a body of some 20 kB.
fn large() -> Value {
    json!({ "query": format!("{{ __typename }} #{}", "x".repeat(20_000)) })
}

fn check_refused(status: u16, headers: &HeaderMap, body: &Value) {
    assert_eq!(status, 503, "{body:#}");
    assert_eq!(headers["retry-after"], "1");
    assert_eq!(headers["content-type"], "application/json; charset=utf-8");
    let error = &body["errors"][0];
    assert_eq!(error["extensions"]["code"], "UNAVAILABLE");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("no memory for this now"), "{message}");
}

#[tokio::test]
async fn a_request_beyond_the_budget_is_told_when_to_try_again() {
    let server = Server::with_flags(&FLAGS).await;
    let client = server.client();
    for accept in [
        "application/json",
        "application/graphql-response+json",
        "text/event-stream",
    ] {
        for body in [large(), json!([large()])] {
            if body.is_array() && accept == "text/event-stream" {
                continue;
            }
            let request = client
                .http
                .post(&client.url)
                .header("accept", accept)
                .json(&body);
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status(), response.headers().clone());
            check_refused(status.as_u16(), &headers, &response.json().await.unwrap());
        }
    }
    // What an operation may answer counts before it is made.
    let query = "{ builds(first: 100) { nodes { number steps { name } } } }";
    let body = json!({ "query": query });
    let response = client
        .http
        .post(&client.url)
        .json(&body)
        .send()
        .await
        .unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    check_refused(status.as_u16(), &headers, &response.json().await.unwrap());
    check_returned(&server).await;
}

#[tokio::test]
async fn on_a_socket_the_operation_is_refused_and_others_go_on() {
    let server = Server::with_flags(&FLAGS).await;
    let client = server.client();
    let mut ws = server.ws().await;
    ws.subscribe("").await;
    wait_until(async || server.handle.subscribers() == 1).await;
    for id in ["2", "3"] {
        ws.send(json!({ "id": id, "type": "subscribe", "payload": large() }))
            .await;
        let message = ws.receive().await;
        assert_eq!(
            (&message["type"], &message["id"]),
            (&json!("error"), &json!(id))
        );
        let error = &message["payload"][0];
        assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{error:#}");
        assert!(error["extensions"]["requestId"].is_string(), "{error:#}");
    }
    let build = client.add_build("linux").await;
    client.new_step(build, "compile").await;
    assert_eq!(ws.event().await["step"]["name"], "compile");
    drop(ws);
    check_returned(&server).await;
}

#[tokio::test]
async fn a_subscription_holds_what_its_operation_takes() {
    let server = Server::start().await;
    let mut sockets = Vec::new();
    for n in 0..5 {
        let mut ws = server.ws().await;
        let text = format!("{n}{}", "x".repeat(100_000));
        let query = "subscription($n: String) { stepEvents { step { build { steps(where: { name: { eq: $n } }) { name } } } } }";
        let variables = json!({ "n": text, "unknown": [1, 2, 3] });
        let payload = json!({ "query": query, "variables": variables });
        ws.send(json!({ "id": "1", "type": "subscribe", "payload": payload }))
            .await;
        sockets.push(ws);
    }
    wait_until(async || server.handle.subscribers() == 5).await;
    let held = server.handle.memory_held();
    assert!((500_000..5_000_000).contains(&held), "{held}");
    drop(sockets);
    check_returned(&server).await;

    // Variables that the operation does not declare are not kept.
    let mut ws = server.ws().await;
    let variables = json!({ "unknown": "x".repeat(100_000) });
    let query = "subscription { stepEvents { step { name } } }";
    let payload = json!({ "query": query, "variables": variables });
    ws.send(json!({ "id": "1", "type": "subscribe", "payload": payload }))
        .await;
    wait_until(async || server.handle.subscribers() == 1).await;
    wait_until(async || server.handle.memory_held() < 10_000).await;
    drop(ws);
    check_returned(&server).await;
}
