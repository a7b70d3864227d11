//! Mutations that wait for others, and whose clients do not.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::{SLOW, send, server, server_holding};

use crate::support::wait_until;

const ADD: &str = "mutation { findBuilder(name: \"a\") { builderid } }";
const ADD_ANOTHER: &str = "mutation { findBuilder(name: \"b\") { builderid } }";
const COUNT: &str = "{ builders(first: 0) { totalCount } }";

/// It waits for a turn among the caller's own operations.
#[tokio::test(flavor = "multi_thread")]
async fn one_whose_client_left_the_queue_is_not_run() {
    let (server, held) = server(&["--max-concurrent-per-caller", "1"]).await;
    let client = server.client_at("192.0.2.1");
    held.begin();
    let running = send(&client, SLOW);
    held.wait_for(1).await;
    let queued = send(&client, ADD);
    sleep(Duration::from_millis(300)).await;
    queued.abort();
    sleep(Duration::from_millis(300)).await;
    held.end();
    assert_eq!(running.await.unwrap().status(), 200);
    let data = client.data(COUNT, json!({})).await;
    assert_eq!(data["builders"]["totalCount"], 0);
}

/// It waits for the writer, which another mutation has. That one has begun, and so it ends.
#[tokio::test(flavor = "multi_thread")]
async fn one_whose_client_left_before_it_began_is_not_run() {
    let (server, held) = server_holding(&["--writers", "1"], "INSERT", "builders").await;
    let client = server.client_at("192.0.2.1");
    held.begin();
    let begun = send(&client, ADD);
    held.wait_for(1).await;
    let waiting = send(&client, ADD_ANOTHER);
    sleep(Duration::from_millis(300)).await;
    begun.abort();
    waiting.abort();
    sleep(Duration::from_millis(300)).await;
    held.end();
    wait_until(async || {
        let data = client
            .data("{ builders { nodes { name } } }", json!({}))
            .await;
        data["builders"]["nodes"] == json!([{ "name": "a" }])
    })
    .await;
    client.add_build("c").await;
    let data = client
        .data("{ builders { nodes { name } } }", json!({}))
        .await;
    let names = data["builders"]["nodes"].as_array().unwrap();
    assert_eq!(names.len(), 2, "{data}");
}
