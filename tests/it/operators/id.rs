//! Each request has a name, which its answer, its errors and the log have.

use std::collections::BTreeSet;

use reqwest::{Response, header::HeaderMap};
use serde_json::{Value, json};

use crate::support::server::Server;

fn id_of(headers: &HeaderMap) -> &str {
    headers["x-request-id"].to_str().unwrap()
}

/// Asks for a builder without a name, which is refused.
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

async fn ids_in(answer: Response) -> Vec<Value> {
    let answer: Value = answer.json().await.unwrap();
    let errors = answer["errors"].as_array().unwrap().iter();
    errors
        .map(|e| e["extensions"]["requestId"].clone())
        .collect()
}

#[tokio::test]
async fn a_name_that_was_given_is_in_the_answer_and_in_every_error() {
    let server = Server::start().await;
    let bodies = [
        // Refused before it is read, while it is read, as a document, by the schema; a field that failed, and two.
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
            let answer = ask(&server, body, Some(id)).await;
            assert_eq!(id_of(answer.headers()), id, "{body}");
            let ids = ids_in(answer).await;
            assert!(
                !ids.is_empty() && ids.iter().all(|i| i == id),
                "{body} {ids:?}"
            );
        }
    }
}

#[tokio::test]
async fn who_gives_none_or_a_bad_one_gets_one_of_its_own() {
    let server = Server::start().await;
    let other = Server::start().await;
    let mut seen = BTreeSet::new();
    let long = "x".repeat(129);
    let bad = [
        "", "a b", "a\"b", "a\\b", "a{b}", "a,b", "<a>", "\u{fc}", &long,
    ];
    for given in [None].into_iter().chain(bad.map(Some)) {
        for server in [&server, &other] {
            let answer = ask(server, r#"{"query":"{ nothing }"}"#, given).await;
            let id = id_of(answer.headers()).to_owned();
            assert!((10..=32).contains(&id.len()), "{id}");
            assert!(
                id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'),
                "{id}"
            );
            assert_eq!(ids_in(answer).await, [json!(id)], "{given:?}");
            assert!(seen.insert(id), "a name twice: {seen:?}");
        }
    }
}

#[tokio::test]
async fn each_operation_of_a_socket_has_the_sockets_name_and_a_number() {
    let server = Server::start().await;
    let mut ws = server.ws().await;
    let mut names = Vec::new();
    for (id, query) in [
        ("1", "{ nothing }"),
        ("2", "subscription { stepEvents(after: \"x\") { cursor } }"),
        ("3", "mutation { startStep(stepid: 9) { cursor } }"),
    ] {
        ws.send(json!({ "id": id, "type": "subscribe", "payload": { "query": query } }))
            .await;
        let mut said = ws.receive().await;
        let errors = if said["type"] == "error" {
            said["payload"].take()
        } else {
            assert_eq!(ws.receive().await["type"], "complete");
            said["payload"]["errors"].take()
        };
        let name = errors[0]["extensions"]["requestId"].as_str().unwrap();
        let (socket, number) = name.rsplit_once('.').unwrap();
        assert_eq!(number, id, "{said}");
        names.push(socket.to_owned());
    }
    assert!(names.iter().all(|n| *n == names[0]), "{names:?}");
    let mut other = server.ws().await;
    other
        .send(json!({ "id": "1", "type": "subscribe", "payload": { "query": "{ nothing }" } }))
        .await;
    let said = other.receive().await;
    let name = said["payload"][0]["extensions"]["requestId"].as_str();
    assert!(!name.unwrap().starts_with(&names[0]), "{name:?}");
}

#[tokio::test]
async fn an_event_stream_and_a_rest_answer_have_it_too() {
    let server = Server::start().await;
    let http = reqwest::Client::new();
    let query = "subscription { stepEvents(after: \"x\") { cursor } }";
    let answer = http
        .get(format!("http://{}/graphql", server.address))
        .query(&[("query", query)])
        .header("accept", "text/event-stream")
        .header("x-request-id", "of-a-stream")
        .send()
        .await
        .unwrap();
    assert_eq!(id_of(answer.headers()), "of-a-stream");
    // It is refused, so this ends.
    let first = answer.text().await.unwrap();
    assert!(first.contains(r#""requestId":"of-a-stream""#), "{first}");

    // A REST error is what Buildbot's clients know: the name is beside it.
    let answer = http
        .get(format!("http://{}/api/v2/nothing", server.address))
        .header("x-request-id", "of-rest")
        .send()
        .await
        .unwrap();
    assert_eq!(id_of(answer.headers()), "of-rest");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
}
