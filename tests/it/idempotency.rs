//! Mutations with an idempotency key: each is done once, however often and wherever it is sent, and
//! each repetition is answered alike.

use reqwest::Response;
use serde_json::{Value, json};

use crate::support::client::Client;

mod claims;
mod rules;
mod sockets;

const NEW: &str = "mutation($b: Int!, $n: String!) { newStep(buildid: $b, name: $n) { cursor step { stepid name } } }";

/// Posts an operation with a key.
async fn post(client: &Client, key: &str, query: &str, variables: &Value) -> Response {
    let body = json!({ "query": query, "variables": variables });
    let request = client.http.post(&client.url).json(&body);
    request.header("Idempotency-Key", key).send().await.unwrap()
}

/// The whole response to an operation with a key.
async fn execute(client: &Client, key: &str, query: &str, variables: &Value) -> Value {
    let response = post(client, key, query, variables).await;
    response.json().await.unwrap()
}

/// The status, code and message of an operation with a key that must be refused.
async fn refusal(
    client: &Client,
    key: &str,
    query: &str,
    variables: &Value,
) -> (u16, String, String) {
    let response = post(client, key, query, variables).await;
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    assert!(body.get("data").is_none(), "{body:#}");
    let error = &body["errors"][0];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (
        status,
        text(&error["extensions"]["code"]),
        text(&error["message"]),
    )
}
