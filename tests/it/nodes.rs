//! `nodes(ids:)`: objects of any types by their opaque ids, in the order that was asked.

use serde_json::{Value, json};

use crate::support::{client::Client, server::Server};

const NODES: &str = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id
    ... on Builder { name } ... on Build { number steps { name } } ... on Step { name build { number } } } }";

/// A builder with a build with a step; their ids.
async fn seeded(client: &Client) -> [String; 3] {
    let build = client.add_build("b").await;
    client.new_step(build, "compile").await;
    let data = client
        .data(
            "{ builder(name: \"b\") { id } build(buildid: 1) { id } step(stepid: 1) { id } }",
            json!({}),
        )
        .await;
    ["builder", "build", "step"].map(|noun| data[noun]["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn objects_come_in_the_order_of_their_ids_and_as_often() {
    let server = Server::start().await;
    let client = server.client();
    let [builder, build, step] = seeded(&client).await;
    // Build:99
    let gone = "QnVpbGQ6OTk";
    let ids = json!([step, builder, gone, step, build]);
    let data = client.data(NODES, json!({ "ids": ids })).await;
    let step =
        json!({ "__typename": "Step", "id": step, "name": "compile", "build": { "number": 1 } });
    let builder = json!({ "__typename": "Builder", "id": builder, "name": "b" });
    let build = json!({ "__typename": "Build", "id": build, "number": 1, "steps": [{ "name": "compile" }] });
    assert_eq!(data["nodes"], json!([step, builder, null, step, build]));
    let data = client.data("{ nodes(ids: []) { id } }", json!({})).await;
    assert_eq!(data["nodes"], json!([]));
    // A single value stands for a list of one.
    let data = client.data(NODES, json!({ "ids": gone })).await;
    assert_eq!(data["nodes"], json!([null]));
}

#[tokio::test]
async fn what_is_no_id_is_an_error_in_its_place() {
    let server = Server::start().await;
    let client = server.client();
    let [builder, _, step] = seeded(&client).await;
    let ids = json!([builder, "garbage", 7, step]);
    let response = client.execute(NODES, json!({ "ids": ids })).await;
    let nodes = &response["data"]["nodes"];
    assert_eq!((&nodes[1], &nodes[2]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&nodes[0]["id"], &nodes[3]["id"]),
        (&json!(builder), &json!(step))
    );
    for (error, (at, got)) in [(1, "garbage"), (2, "7")].iter().enumerate() {
        let error = &response["errors"][error];
        assert_eq!(error["path"], json!(["nodes", at]), "{response:#}");
        let message = format!("ids: an ID that this server gave, got {got:?}");
        assert_eq!(error["message"], message);
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
    }
    // As `node` has it.
    let (code, message) = client
        .error("{ node(id: \"garbage\") { id } }", json!({}))
        .await;
    assert_eq!(code, "BAD_USER_INPUT");
    assert_eq!(message, "id: an ID that this server gave, got \"garbage\"");
    let (code, message) = client.error(NODES, json!({ "ids": [builder, null] })).await;
    assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{message}");
}

#[tokio::test]
async fn five_hundred_ids_are_answered_and_one_more_refused() {
    let server = Server::start().await;
    let client = server.client();
    let [_, build, _] = seeded(&client).await;
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let ids = vec![build; 501];
    let data = client.data(query, json!({ "ids": ids[1..] })).await;
    assert_eq!(data["nodes"].as_array().unwrap().len(), 500);
    let response = client.execute(query, json!({ "ids": ids })).await;
    assert_eq!(response["data"], Value::Null);
    let error = &response["errors"][0];
    assert_eq!(error["message"], "ids: at most 500 IDs, got 501");
    assert_eq!(error["extensions"]["argument"], "ids");
    // Each counts by what may come below it.
    let (code, message) = client
        .error(
            "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Build { steps(limit: 100) { name } } } }",
            json!({ "ids": ids[1..] }),
        )
        .await;
    assert_eq!(code, "LIMIT_EXCEEDED");
    assert!(message.contains("this has 50500 objects"), "{message}");
}
