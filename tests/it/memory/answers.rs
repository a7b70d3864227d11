//! Answers to clients that do not read them.

use serde_json::json;

use super::{check_returned, leave_unread, long_answer};
use crate::support::{server::Server, wait_until, ws::Ws};

const LONG: i64 = 1_000_000;

#[tokio::test]
async fn an_answer_counts_until_it_is_sent() {
    let server = Server::start().await;
    for encoding in ["identity", "gzip"] {
        let tcp = leave_unread(&server, &format!("Accept-Encoding: {encoding}")).await;
        wait_until(async || server.handle.memory_held() > LONG).await;
        drop(tcp);
        check_returned(&server).await;
    }
    // It is counted, and not held back.
    let client = server.client();
    let response = client
        .execute(long_answer()["query"].as_str().unwrap(), json!({}))
        .await;
    assert!(response["data"]["a33"]["sdl"].is_string());
    check_returned(&server).await;
}

#[tokio::test]
async fn a_sockets_answers_count_until_they_are_sent() {
    let server = Server::start().await;
    let mut ws = Ws::with_small_buffer(server.address).await;
    for id in ["1", "2", "3", "4"] {
        ws.send(json!({ "id": id, "type": "subscribe", "payload": long_answer() }))
            .await;
    }
    wait_until(async || server.handle.memory_held() > LONG).await;
    drop(ws);
    check_returned(&server).await;
}
