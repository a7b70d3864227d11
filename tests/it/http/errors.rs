//! GraphQL errors: the status by media type, codes, and the data beside them.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{GRAPHQL, JSON, check_errors, get, post};
use crate::support::server::Server;

/// Checks a request that is refused before it runs: 200 as plain JSON, 400 in the GraphQL media
/// type.
async fn refused(server: &Server, body: &Value, code: &str) {
    for (accept, status) in [(JSON, 200), (GRAPHQL, 400)] {
        let response = post(server, accept, body).await;
        response.refused(status);
        assert_eq!(
            response.body["errors"][0]["extensions"]["code"], code,
            "{:#}",
            response.body
        );
    }
}

#[tokio::test]
async fn a_syntax_error_is_refused() {
    let server = Server::start().await;
    for query in [
        "",
        "{",
        "query { a",
        "{ a(b: ) }",
        "nonsense",
        "{ __typename } }",
    ] {
        refused(&server, &json!({ "query": query }), "GRAPHQL_PARSE_FAILED").await;
    }
    get(&server, GRAPHQL, &[("query", "{")]).await.refused(400);
}

#[tokio::test]
async fn unknown_fields_and_types_are_refused() {
    let server = Server::start().await;
    for query in [
        "{ nope }",
        "{ builds }",
        "{ build { number } }",
        "{ build(buildid: \"1\") { number } }",
        "{ builds { totalCount { x } } }",
        "query($x: Nope) { build(buildid: $x) { number } }",
        "{ ...F }",
        "mutation { finishStep(stepid: 1, results: NOPE) { cursor } }",
    ] {
        refused(
            &server,
            &json!({ "query": query }),
            "GRAPHQL_VALIDATION_FAILED",
        )
        .await;
    }
}

#[tokio::test]
async fn typename_has_no_subfields() {
    let server = Server::start().await;
    let body = json!({ "query": "{ __typename { x } }" });
    refused(&server, &body, "GRAPHQL_VALIDATION_FAILED").await;
}

#[tokio::test]
async fn a_missing_or_ambiguous_operation_is_refused() {
    let server = Server::start().await;
    let two = "query A { __typename } query B { __typename }";
    for body in [
        json!({ "query": two }),
        json!({ "query": two, "operationName": "C" }),
        json!({ "query": "query A { __typename }", "operationName": "C" }),
    ] {
        for (accept, status) in [(JSON, 200), (GRAPHQL, 400)] {
            post(&server, accept, &body).await.refused(status);
        }
    }
    let response = post(
        &server,
        GRAPHQL,
        &json!({ "query": two, "operationName": "B" }),
    )
    .await;
    assert_eq!(
        (response.status, &response.body),
        (
            StatusCode::OK,
            &json!({ "data": { "__typename": "Query" } })
        )
    );
}

#[tokio::test]
async fn variables_of_the_wrong_type_are_refused() {
    let server = Server::start().await;
    let query = "query($b: Int!) { build(buildid: $b) { number } }";
    for bad in [
        json!({ "b": "1" }),
        json!({ "b": null }),
        json!({ "b": 1.5 }),
        json!({ "b": [1] }),
    ] {
        refused(
            &server,
            &json!({ "query": query, "variables": bad }),
            "GRAPHQL_VALIDATION_FAILED",
        )
        .await;
    }
}

/// The specification requires that these are refused before anything runs, like other invalid
/// variables.
#[tokio::test]
async fn missing_and_out_of_range_variables_are_refused() {
    let server = Server::start().await;
    let build = "query($b: Int!) { build(buildid: $b) { number } }";
    let builds = "query($t: DateTime!) { builds(where: { startedAt: { gt: $t } }) { totalCount } }";
    for (query, bad) in [
        (build, json!({})),
        (build, json!({ "b": 2_147_483_648_i64 })),
        (builds, json!({ "t": "yesterday" })),
    ] {
        for (accept, status) in [(JSON, 200), (GRAPHQL, 400)] {
            post(
                &server,
                accept,
                &json!({ "query": query, "variables": bad }),
            )
            .await
            .refused(status);
        }
    }
    // A literal, too.
    post(
        &server,
        GRAPHQL,
        &json!({ "query": "{ build(buildid: 2147483648) { number } }" }),
    )
    .await
    .refused(400);
}

#[tokio::test]
async fn data_accompanies_field_errors() {
    let server = Server::start().await;
    let query = "{ good: __typename node(id: \"garbage\") { id } }";
    for accept in [JSON, GRAPHQL] {
        let response = post(&server, accept, &json!({ "query": query })).await;
        assert_eq!(response.status, StatusCode::OK);
        assert_eq!(
            response.body["data"],
            json!({ "good": "Query", "node": null })
        );
        assert_eq!(response.body["errors"][0]["path"], json!(["node"]));
        assert_eq!(
            response.body["errors"][0]["extensions"]["code"],
            "BAD_USER_INPUT"
        );
        check_errors(&response.body);
    }
    // So has one whose fields all failed; the data itself is null if a failed field is non-null.
    for (query, data, code) in [
        (
            "mutation { addBuild(builderid: 9) { build { number } } }",
            json!({ "addBuild": null }),
            "NOT_FOUND",
        ),
        (
            "{ builds(first: 1, last: 1) { nodes { number } } }",
            Value::Null,
            "BAD_USER_INPUT",
        ),
    ] {
        let response = post(&server, GRAPHQL, &json!({ "query": query })).await;
        assert_eq!(response.status, StatusCode::OK);
        assert_eq!(response.body.get("data"), Some(&data));
        assert_eq!(response.body["errors"][0]["extensions"]["code"], code);
        check_errors(&response.body);
    }
}

#[tokio::test]
async fn internal_errors_reveal_nothing() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let sql = server.sql().await;
    sql.run("ALTER TABLE steps RENAME TO gone").await;
    for query in [
        "{ steps { nodes { name } } }",
        "{ build(buildid: 1) { number steps { name } } }",
        "mutation { newStep(buildid: 1, name: \"x\") { cursor } }",
    ] {
        let response = post(&server, JSON, &json!({ "query": query })).await;
        assert_eq!(response.status, StatusCode::OK);
        check_errors(&response.body);
        let error = &response.body["errors"][0];
        assert_eq!(
            (&error["message"], &error["extensions"]["code"]),
            (&json!("internal error"), &json!("INTERNAL"))
        );
    }
    // The server recovers with the database.
    sql.run("ALTER TABLE gone RENAME TO steps").await;
    client.new_step(build, "x").await;
}

#[tokio::test]
async fn a_locked_database_is_unavailable_until_unlocked() {
    let server = Server::with_flags(&["--anonymous", "write", "--busy-seconds", "1"]).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let sql = server.sql().await;
    sql.block_writers().await;
    let write = json!({ "query": "mutation { newStep(buildid: 1, name: \"x\") { cursor } }" });
    let response = post(&server, JSON, &write).await;
    check_errors(&response.body);
    assert_eq!(
        response.body["errors"][0]["extensions"]["code"],
        "UNAVAILABLE"
    );
    let read = client
        .data("{ builds { totalCount } steps { totalCount } }", json!({}))
        .await;
    assert_eq!(
        read,
        json!({ "builds": { "totalCount": 1 }, "steps": { "totalCount": 0 } })
    );
    sql.run("COMMIT").await;
    client.new_step(build, "x").await;
}

/// Its default lets the variable stand there, so that only its field fails.
#[tokio::test]
async fn a_null_that_overrides_a_default_fails_its_field() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "s").await;
    let query = "mutation($h: Boolean = true) { \
        a: finishStep(stepid: 1, results: SUCCESS, hidden: $h) { step { hidden } } \
        b: setStepStateString(stepid: 1, stateString: \"x\") { step { hidden } } }";
    let response = client.execute(query, json!({ "h": null })).await;
    assert_eq!(
        response["data"],
        json!({ "a": null, "b": { "step": { "hidden": false } } })
    );
    assert_eq!(response["errors"][0]["path"], json!(["a"]));
}

#[tokio::test]
async fn errors_name_what_is_wrong_and_suggest() {
    let server = Server::start().await;
    for (query, message) in [
        (
            "{ build(buildid: 1) { nmber } }",
            "Cannot query field \"nmber\" on type \"Build\". Did you mean \"number\"?",
        ),
        (
            "{ build(builid: 1) { number } }",
            "Unknown argument \"builid\" on field \"Query.build\". Did you mean \"buildid\"?",
        ),
        (
            "{ builds(where: { numbr: { eq: 1 } }) { totalCount } }",
            "where: BuildFilter has no field \"numbr\". Did you mean \"number\"?",
        ),
        (
            "mutation { finishStep(stepid: 1, results: SUCCES) { cursor } }",
            "results: one of SUCCESS, WARNINGS, FAILURE, SKIPPED, EXCEPTION, RETRY, CANCELLED, \
             got SUCCES. Did you mean \"SUCCESS\"?",
        ),
        (
            "{ build(buildid: 1) }",
            "Field \"build\" of type \"Build\" needs a selection of fields: build { ... }.",
        ),
        (
            "{ build(buildid: 1) { number { x } } }",
            "Field \"number\" of type \"Int\" has no fields to select.",
        ),
        (
            "{ node(id: 1) { ... on Nope { id } } }",
            "Unknown type \"Nope\".",
        ),
        (
            "{ build(buildid: 1.0) { number } }",
            "buildid: an Int, got 1.0",
        ),
    ] {
        let (code, told) = server.client().error(query, json!({})).await;
        assert_eq!(
            (code.as_str(), told.as_str()),
            ("GRAPHQL_VALIDATION_FAILED", message),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_message_does_not_repeat_a_long_value_whole() {
    let server = Server::start().await;
    let query = "query($t: ID!) { node(id: $t) { id } }";
    let variables = json!({ "t": "\u{e4}".repeat(50_000) });
    let (_, message) = server.client().error(query, variables).await;
    assert_eq!(message.chars().count(), 1_003);
    assert!(message.starts_with("id: an ID that this server gave, got "));
}
