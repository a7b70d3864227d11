//! A database whose write lock another process holds briefly. `http/errors.rs` tests longer locks.

use serde_json::json;

use crate::support::server::Server;

#[tokio::test]
async fn a_write_waits_for_a_short_lock() {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    let other = server.sql().await;

    other.block_writers().await;
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.add_build("b").await }
    });
    other
        .run("UPDATE builds SET state_string = 'from elsewhere'; COMMIT")
        .await;
    let added = waiting.await.unwrap();
    let query = "query($b: Int!) { build(buildid: $b) { number } }";
    let build = client.data(query, json!({ "b": added })).await;
    assert_eq!(build["build"]["number"], 2);
}
