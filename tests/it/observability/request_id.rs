//! Each request has an id, which its response, its errors and the log carry.

use std::collections::BTreeSet;

use reqwest::{Response, header::HeaderMap};
use serde_json::{Value, json};

use crate::support::server::Server;

/// The tests are a proxy, whose ids are taken.
const PROXIED: [&str; 4] = ["--anonymous", "write", "--trusted-proxy", "127.0.0.1"];

fn id_of(headers: &HeaderMap) -> &str {
    headers["x-request-id"].to_str().unwrap()
}

/// Sends a query that is refused: a builder without a name.
async fn ask(server: &Server, body: &str, id: Option<&str>) -> Response {
    let mut request = reqwest::Client::new()
        .post(format!("http://{}/graphql", server.address))
        .header("content-type", "application/json")
        .body(body.to_owned());
    if let Some(id) = id {
        request = request.header("x-request-id", id);
    }
    request.send().await.unwrap()
}

async fn ids_in(response: Response) -> Vec<Value> {
    let response: Value = response.json().await.unwrap();
    let errors = response["errors"].as_array().unwrap().iter();
    errors
        .map(|e| e["extensions"]["requestId"].clone())
        .collect()
}

#[tokio::test]
async fn a_given_request_id_is_in_the_response_and_in_every_error() {
    let server = Server::with_flags(&PROXIED).await;
    let bodies = [
        // Refused before, while and after reading it, as a document, by the schema; one failed
        // field, and two.
        r"{",
        r#"{"query":1}"#,
        r#"{"query":"{"}"#,
        r#"{"query":"{ nothing }"}"#,
        r#"{"query":"subscription { stepEvents { cursor } }"}"#,
        r#"{"query":"mutation { startStep(stepid: 9) { cursor } }"}"#,
        r#"{"query":"mutation { a: newBuild(builderid: 1) { __typename } b: nothing { c } }"}"#,
    ];
    for body in bodies {
        for id in [
            "a",
            "4bf92f35-77b3/4da6+a3ce:92_9d=0e.0e@x~",
            &"x".repeat(128),
        ] {
            let response = ask(&server, body, Some(id)).await;
            assert_eq!(id_of(response.headers()), id, "{body}");
            let ids = ids_in(response).await;
            assert!(
                !ids.is_empty() && ids.iter().all(|i| i == id),
                "{body} {ids:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_missing_or_bad_request_id_is_replaced() {
    let server = Server::with_flags(&PROXIED).await;
    let other = Server::with_flags(&PROXIED).await;
    let mut seen = BTreeSet::new();
    let long = "x".repeat(129);
    let bad = [
        "", "a b", "a\"b", "a\\b", "a{b}", "a,b", "<a>", "\u{fc}", &long,
    ];
    for given in [None].into_iter().chain(bad.map(Some)) {
        for server in [&server, &other] {
            let response = ask(server, r#"{"query":"{ nothing }"}"#, given).await;
            let id = id_of(response.headers()).to_owned();
            assert!((10..=32).contains(&id.len()), "{id}");
            assert!(
                id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'),
                "{id}"
            );
            assert_eq!(ids_in(response).await, [json!(id)], "{given:?}");
            assert!(seen.insert(id), "a name twice: {seen:?}");
        }
    }
}

#[tokio::test]
async fn operations_on_a_socket_number_its_request_id() {
    let server = Server::with_flags(&PROXIED).await;
    let mut ws = server.ws().await;
    let mut names = Vec::new();
    for (id, query) in [
        ("1", "{ nothing }"),
        ("2", "subscription { stepEvents(after: \"x\") { cursor } }"),
        ("3", "mutation { startStep(stepid: 9) { cursor } }"),
    ] {
        ws.send(json!({ "id": id, "type": "subscribe", "payload": { "query": query } }))
            .await;
        let mut output = ws.receive().await;
        let errors = if output["type"] == "error" {
            output["payload"].take()
        } else {
            assert_eq!(ws.receive().await["type"], "complete");
            output["payload"]["errors"].take()
        };
        let name = errors[0]["extensions"]["requestId"].as_str().unwrap();
        let (socket, number) = name.rsplit_once('.').unwrap();
        assert_eq!(number, id, "{output}");
        names.push(socket.to_owned());
    }
    assert!(names.iter().all(|n| *n == names[0]), "{names:?}");
    let mut other = server.ws().await;
    other
        .send(json!({ "id": "1", "type": "subscribe", "payload": { "query": "{ nothing }" } }))
        .await;
    let output = other.receive().await;
    let name = output["payload"][0]["extensions"]["requestId"].as_str();
    assert!(!name.unwrap().starts_with(&names[0]), "{name:?}");
}

#[tokio::test]
async fn event_streams_and_rest_responses_have_a_request_id() {
    let server = Server::with_flags(&PROXIED).await;
    let http = reqwest::Client::new();
    let query = "subscription { stepEvents(after: \"x\") { cursor } }";
    let response = http
        .get(format!("http://{}/graphql", server.address))
        .query(&[("query", query)])
        .header("accept", "text/event-stream")
        .header("x-request-id", "of-a-stream")
        .send()
        .await
        .unwrap();
    assert_eq!(id_of(response.headers()), "of-a-stream");
    // The stream ends because its operation is refused.
    let first = response.text().await.unwrap();
    assert!(first.contains(r#""requestId":"of-a-stream""#), "{first}");

    // A REST error has Buildbot's form, so its id is only in the header.
    let response = http
        .get(format!("http://{}/api/v2/nothing", server.address))
        .header("x-request-id", "of-rest")
        .send()
        .await
        .unwrap();
    assert_eq!(id_of(response.headers()), "of-rest");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
}

#[tokio::test]
async fn an_id_is_taken_from_trusted_proxies_alone() {
    let server = Server::start().await;
    let response = ask(&server, r#"{"query":"{ nothing }"}"#, Some("a-clients")).await;
    assert_ne!(id_of(response.headers()), "a-clients");
}
