//! `@defer` and `@stream`: declared and checked, and answered at once.

use serde_json::{Value, json};

use crate::support::server::Server;

#[tokio::test]
async fn what_may_come_later_comes_at_once() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "compile").await;
    let query = "query($d: Boolean! = true, $n: Int = 1) { build(buildid: 1) { number
        ... @defer(label: \"steps\", if: $d) { steps @stream(initialCount: $n, label: \"s\") { name } }
        ...F @defer ... on Node @defer(label: null) { id } } }
        fragment F on Build { builder { name } }";
    let expected = json!({ "build": {
        "number": 1,
        "steps": [{ "name": "compile" }],
        "builder": { "name": "b" },
        "id": "QnVpbGQ6MQ",
    } });
    for variables in [json!({}), json!({ "d": false, "n": 0 })] {
        assert_eq!(client.data(query, variables).await, expected);
    }
    // Clients that know of later parts accept them as parts.
    let request = client
        .http
        .post(&client.url)
        .json(&json!({ "query": query }));
    let request = request.header(
        "accept",
        "multipart/mixed;deferSpec=20220824, application/json",
    );
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body, json!({ "data": expected }));
}

#[tokio::test]
async fn a_misuse_is_refused() {
    let server = Server::start().await;
    for (query, message) in [
        (
            "{ ... @defer(if: 1) { __typename } }",
            "if: a Boolean, got 1",
        ),
        (
            "{ ... @defer(xyz: true) { __typename } }",
            "Unknown argument \"xyz\" on directive \"@defer\".",
        ),
        (
            "{ builders { nodes @stream(initialCount: \"1\") { id } } }",
            "initialCount: an Int, got \"1\"",
        ),
        (
            "{ builders { nodes @stream(initialCount: -5) { id } } }",
            "initialCount: a number from 0 on, got -5",
        ),
        (
            "query($l: String) { ... @defer(label: $l) { __typename } }",
            "label: a text in the document, got the variable $l",
        ),
        (
            "{ ... @defer(label: \"a\") { __typename } builders { nodes @stream(label: \"a\") { id } } }",
            "label: each is unique in its document, got \"a\" again",
        ),
        (
            "{ build(buildid: 1) { number @stream } }",
            "Directive \"@stream\" needs a list, got the field \"number\" of type \"Int!\".",
        ),
        (
            "mutation { ... @defer { findBuilder(name: \"a\") { name } } }",
            "Directive \"@defer\" is not allowed at the root of a mutation or a subscription.",
        ),
        (
            "subscription { ...F @defer } fragment F on Subscription { stepEvents { cursor } }",
            "Directive \"@defer\" is not allowed at the root of a mutation or a subscription.",
        ),
    ] {
        let response = server.client().execute(query, json!({})).await;
        let error = &response["errors"][0];
        assert_eq!(error["message"], message, "{query}\n{response:#}");
        assert_eq!(error["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
        assert!(response.get("data").is_none(), "{response:#}");
    }
    for query in [
        "{ builders @defer { totalCount } }",
        "{ ... @stream { __typename } }",
        "{ ... @defer @defer { __typename } }",
    ] {
        let (code, message) = server.client().error(query, json!({})).await;
        assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{query}: {message}");
    }
    // One fragment that two operations spread has its label once.
    let query = "query A { ...F } query B { ...F } \
        fragment F on Query { ... @defer(label: \"a\") { __typename } }";
    let body = json!({ "query": query, "operationName": "B" });
    let client = server.client();
    let response = client
        .http
        .post(&client.url)
        .json(&body)
        .send()
        .await
        .unwrap();
    let response: Value = response.json().await.unwrap();
    assert_eq!(response, json!({ "data": { "__typename": "Query" } }));
}
