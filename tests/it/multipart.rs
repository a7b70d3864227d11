//! Subscriptions over Apollo's multipart protocol: what a response sends, and how it ends.

use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    feed::after,
    sse::{one_step, subscription},
    support::{TIMEOUT, client::Client, server::Server},
};

/// As Apollo Client sends it.
const ACCEPT: &str = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json";
const BOUNDARY: &str = "\r\n---";

/// What comes next in a response.
#[derive(Debug, PartialEq)]
enum Part {
    Json(Value),
    /// The last boundary.
    End,
    /// The body's end without the last boundary.
    BrokenOff,
}

/// A response that is read as Apollo Client reads it: up to the next boundary.
struct Parts {
    response: Response,
    text: String,
}

impl Parts {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let content_type = &response.headers()["content-type"];
        assert_eq!(
            content_type,
            "multipart/mixed;boundary=\"-\";subscriptionSpec=1.0"
        );
        let text = String::new();
        let mut parts = Self { response, text };
        assert_eq!(parts.before_boundary().await.as_deref(), Some(""));
        parts
    }

    async fn before_boundary(&mut self) -> Option<String> {
        loop {
            if let Some((part, rest)) = self.text.split_once(BOUNDARY) {
                let (part, rest) = (part.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(part);
            }
            let chunk = timeout(TIMEOUT, self.response.chunk())
                .await
                .expect("nothing in time");
            let chunk = chunk.expect("the body broke off")?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn next(&mut self) -> Part {
        let Some(part) = self.before_boundary().await else {
            return match &*self.text {
                "--\r\n" => Part::End,
                "" => Part::BrokenOff,
                other => panic!("half a part: {other}"),
            };
        };
        let json = part.strip_prefix("\r\nContent-Type: application/json\r\n\r\n");
        Part::Json(serde_json::from_str(json.unwrap_or_else(|| panic!("{part}"))).unwrap())
    }

    async fn json(&mut self) -> Value {
        match self.next().await {
            Part::Json(json) => json,
            other => panic!("{other:?}"),
        }
    }
}

fn post(client: &Client, query: &str) -> RequestBuilder {
    let request = client
        .http
        .post(&client.url)
        .json(&json!({ "query": query }));
    request.header("accept", ACCEPT)
}

#[tokio::test]
async fn events_arrive_as_they_happen() {
    let server = Server::start().await;
    let (client, stepid, start) = one_step(&server).await;
    let mut parts = Parts::of(post(&client, &subscription(&after(&start)))).await;
    for state in ["one", "two", "three"] {
        let cursor = client.set_state(stepid, state).await;
        let event = json!({ "stepEvents": { "cursor": cursor, "kind": "UPDATED" } });
        assert_eq!(parts.json().await, json!({ "payload": { "data": event } }));
    }
    let headers = parts.response.headers();
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-accel-buffering"], "no");
    assert!(!headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn a_quiet_stream_gets_heartbeats() {
    let server = Server::with_flags(&["--socket-ping-seconds", "1"]).await;
    let mut parts = Parts::of(post(&server.client(), &subscription(""))).await;
    for _ in 0..2 {
        assert_eq!(parts.json().await, json!({}));
    }
}

#[tokio::test]
async fn a_query_or_mutation_is_one_part() {
    let server = Server::start().await;
    let client = server.client();
    let failed = json!(["addBuild"]);
    for (query, data, path) in [
        ("{ __typename }", json!({ "__typename": "Query" }), None),
        (
            "mutation { addBuild(builderid: 9) { build { id } } }",
            json!({ "addBuild": null }),
            Some(failed),
        ),
    ] {
        let mut parts = Parts::of(post(&client, query)).await;
        let payload = &parts.json().await["payload"];
        assert_eq!(payload["data"], data);
        assert_eq!(payload["errors"][0].get("path"), path.as_ref());
        assert_eq!(parts.next().await, Part::End);
    }
    // Nothing was executed.
    let mut parts = Parts::of(post(&client, "subscription { none }")).await;
    let payload = &parts.json().await["payload"];
    assert!(payload.get("data").is_none());
    assert_eq!(
        payload["errors"][0]["extensions"]["code"],
        "GRAPHQL_VALIDATION_FAILED"
    );
    assert_eq!(parts.next().await, Part::End);
}

/// The same rules as for an event stream.
#[tokio::test]
async fn who_may_not_have_a_stream_is_refused_with_a_status() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    let client = server.client();
    let response = post(&client, &subscription("")).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(
        response.headers()["content-type"],
        "application/json; charset=utf-8"
    );
    let server = Server::start().await;
    let client = server.client();
    let foreign = post(&client, &subscription("")).header("origin", "http://evil.example");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    let get = client
        .http
        .get(&client.url)
        .query(&[("query", "{ __typename }")]);
    let get = get.header("accept", ACCEPT);
    assert_eq!(get.try_clone().unwrap().send().await.unwrap().status(), 400);
    let mut parts = Parts::of(get.header("graphql-require-preflight", "1")).await;
    assert_eq!(
        parts.json().await,
        json!({ "payload": { "data": { "__typename": "Query" } } })
    );
    // Without the parameter it is another protocol.
    let other = client
        .http
        .post(&client.url)
        .json(&json!({ "query": "{ __typename }" }));
    let other = other
        .header("accept", "multipart/mixed")
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), 406);
}

#[tokio::test]
async fn a_failing_stream_sends_its_error_and_ends() {
    let flags = ["--anonymous", "write", "--feed-queue-bytes", "1"];
    let server = Server::with_flags(&flags).await;
    let (client, _, start) = one_step(&server).await;
    let mut parts = Parts::of(post(&client, &subscription(&after(&start)))).await;
    let sql = server.sql().await;
    // A batch that the tail dispatches at once exceeds a queue of one event.
    let batch = "UPDATE steps SET state_string = 'busy'; ".repeat(400);
    let failed = timeout(TIMEOUT, async {
        loop {
            sql.run(&format!("BEGIN; {batch} COMMIT")).await;
            for _ in 0..400 {
                let part = parts.json().await;
                if part["payload"].is_null() {
                    return part;
                }
            }
        }
    });
    let failed = failed.await.expect("a queue of one was never full");
    assert!(failed.as_object().unwrap().contains_key("payload"));
    assert_eq!(failed["errors"][0]["extensions"]["code"], "FEED_LAGGED");
    assert!(failed["errors"][0]["extensions"]["cursor"].is_string());
    assert_eq!(parts.next().await, Part::End);
}

/// Not as a subscription that is over, so that the client subscribes again.
#[tokio::test]
async fn a_stopping_server_ends_the_stream_with_an_error() {
    let server = Server::start().await;
    let (client, stepid, start) = one_step(&server).await;
    let mut busy = Parts::of(post(&client, &subscription(&after(&start)))).await;
    client.set_state(stepid, "one").await;
    busy.json().await;
    let silent = Parts::of(post(&client, &subscription(""))).await;
    server.handle.stop();
    for mut parts in [busy, silent] {
        let last = parts.json().await;
        assert_eq!(last["payload"], Value::Null, "{last}");
        assert_eq!(last["errors"][0]["extensions"]["code"], "UNAVAILABLE");
        assert_eq!(parts.next().await, Part::End);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_subscription() {
    let server = Server::start().await;
    let (client, stepid, start) = one_step(&server).await;
    let before = server.handle.tasks();
    let mut parts = Parts::of(post(&client, &subscription(&after(&start)))).await;
    client.set_state(stepid, "busy").await;
    parts.json().await;
    assert!(server.handle.tasks() > before);
    drop(parts);
    let gone = timeout(TIMEOUT, async {
        while server.handle.tasks() > before {
            sleep(Duration::from_millis(20)).await;
        }
    });
    gone.await.expect("a stream outlived its client");
}
