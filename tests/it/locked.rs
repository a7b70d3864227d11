//! A database whose write lock another process holds for a moment. (For longer, see `http/errors.rs`.)

use serde_json::json;

use crate::support::server::Server;

#[tokio::test]
async fn a_short_lock_is_waited_for() {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    let other = server.sql().await;

    other.hold_writers().await;
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
