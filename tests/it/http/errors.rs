//! Errors of GraphQL itself: status by media type, codes, and what stands beside them.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{GRAPHQL, JSON, check_errors, get, post};
use crate::support::server::Server;

/// A request that is refused before it runs: 200 in plain JSON, 400 where the media type speaks of GraphQL.
async fn refused(server: &Server, body: &Value, code: &str) {
    for (accept, status) in [(JSON, 200), (GRAPHQL, 400)] {
        let answer = post(server, accept, body).await;
        answer.refused(status);
        assert_eq!(
            answer.body["errors"][0]["extensions"]["code"], code,
            "{:#}",
            answer.body
        );
    }
}

#[tokio::test]
async fn what_is_no_graphql_is_not_run() {
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
async fn what_the_schema_lacks_is_not_run() {
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
async fn a_type_name_has_no_fields() {
    let server = Server::start().await;
    let body = json!({ "query": "{ __typename { x } }" });
    refused(&server, &body, "GRAPHQL_VALIDATION_FAILED").await;
}

#[tokio::test]
async fn an_operation_must_be_there_and_named() {
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
    let answer = post(
        &server,
        GRAPHQL,
        &json!({ "query": two, "operationName": "B" }),
    )
    .await;
    assert_eq!(
        (answer.status, &answer.body),
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

/// The specification has these refused before anything runs, with the other variables.
#[tokio::test]
async fn variables_that_are_missing_or_out_of_range_are_refused() {
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
    // A literal too.
    post(
        &server,
        GRAPHQL,
        &json!({ "query": "{ build(buildid: 2147483648) { number } }" }),
    )
    .await
    .refused(400);
}

#[tokio::test]
async fn data_stands_beside_the_errors_of_fields() {
    let server = Server::start().await;
    let query = "{ good: __typename node(id: \"garbage\") { id } }";
    for accept in [JSON, GRAPHQL] {
        let answer = post(&server, accept, &json!({ "query": query })).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(
            answer.body["data"],
            json!({ "good": "Query", "node": null })
        );
        assert_eq!(answer.body["errors"][0]["path"], json!(["node"]));
        assert_eq!(
            answer.body["errors"][0]["extensions"]["code"],
            "BAD_USER_INPUT"
        );
        check_errors(&answer.body);
    }
    // What ran and failed up to the root has data, and it is null.
    let failed = json!({ "query": "mutation { addBuild(builderid: 9) { build { number } } }" });
    let answer = post(&server, GRAPHQL, &failed).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body.get("data"), Some(&Value::Null));
    assert_eq!(answer.body["errors"][0]["extensions"]["code"], "NOT_FOUND");
    check_errors(&answer.body);
}

#[tokio::test]
async fn what_is_broken_inside_stays_inside() {
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
        let answer = post(&server, JSON, &json!({ "query": query })).await;
        assert_eq!(answer.status, StatusCode::OK);
        check_errors(&answer.body);
        let error = &answer.body["errors"][0];
        assert_eq!(
            (&error["message"], &error["extensions"]["code"]),
            (&json!("internal error"), &json!("INTERNAL"))
        );
    }
    // It recovers with the database.
    sql.run("ALTER TABLE gone RENAME TO steps").await;
    client.new_step(build, "x").await;
}

#[tokio::test]
async fn a_locked_database_is_unavailable_and_then_is_not() {
    let server = Server::with(&["--anonymous", "write", "--busy-seconds", "1"]).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let sql = server.sql().await;
    sql.hold_writers().await;
    let write = json!({ "query": "mutation { newStep(buildid: 1, name: \"x\") { cursor } }" });
    let answer = post(&server, JSON, &write).await;
    check_errors(&answer.body);
    assert_eq!(
        answer.body["errors"][0]["extensions"]["code"],
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
