//! What is refused.

use serde_json::json;

use crate::{filter::seed::Dice, support::server::Server};

use super::rows;

#[tokio::test]
async fn last_is_from_1_to_500() {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    let query = "query($n: Int!) { builders { nodes { stats(last: $n) { builds } } } }";
    for fine in [1, 500] {
        client.data(query, json!({ "n": fine })).await;
    }
    for bad in [0, -1, 501, i32::MAX, i32::MIN] {
        let response = client.execute(query, json!({ "n": bad })).await;
        let error = &response["errors"][0];
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error:#}");
        assert_eq!(error["extensions"]["argument"], "last", "{error:#}");
        let rule = format!("last: a number from 1 to 500, got {bad}");
        assert_eq!(error["message"], rule);
    }
    for (wrong, code) in [
        (json!("50"), "GRAPHQL_VALIDATION_FAILED"),
        (json!(1.5), "GRAPHQL_VALIDATION_FAILED"),
        (json!(null), "GRAPHQL_VALIDATION_FAILED"),
        (json!([1, 2]), "GRAPHQL_VALIDATION_FAILED"),
        (json!(3_000_000_000_i64), "BAD_USER_INPUT"),
    ] {
        let (refused, _) = client.error(query, json!({ "n": wrong })).await;
        assert_eq!(refused, code, "{wrong}");
    }
    for wrong in ["null", "\"1\"", "{}"] {
        let query = format!("{{ builders {{ nodes {{ stats(last: {wrong}) {{ builds }} }} }} }}");
        let (code, _) = client.error(&query, json!({})).await;
        assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{wrong}");
    }
}

/// Rows that are only added up count as read.
#[tokio::test]
async fn added_up_steps_count_as_rows() {
    let server = Server::with_flags(&["--max-rows", "100"]).await;
    server.sql().await.run(&rows(&mut Dice(1))).await;
    let client = server.client();
    let query =
        "query($n: Int!) { builder(name: \"b6\") { stats(last: $n) { builds steps { runs } } } }";
    client.data(query, json!({ "n": 3 })).await;
    let response = client.execute(query, json!({ "n": 40 })).await;
    let extensions = &response["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "LIMIT_EXCEEDED", "{response:#}");
    assert_eq!(extensions["limit"], "max-rows", "{response:#}");
    assert!(response["data"]["builder"].is_null(), "{response:#}");
}
