//! Batches: a JSON array of operations in a POST.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{GRAPHQL, JSON, Response, check_errors, post, send};
use crate::support::server::Server;

const TYPENAME: &str = "{ __typename }";
const FIND: &str = "mutation($n: String!) { findBuilder(name: $n) { builderid } }";
/// Costs 101 objects.
const BUILDS: &str = "{ builds(first: 100) { nodes { number } } }";

/// The code of the only error of an answer.
fn code(answer: &Value) -> &str {
    assert_eq!(
        answer["errors"].as_array().map(Vec::len),
        Some(1),
        "{answer:#}"
    );
    check_errors(answer);
    answer["errors"][0]["extensions"]["code"].as_str().unwrap()
}

fn answers(response: &Response) -> &[Value] {
    assert_eq!(response.status, StatusCode::OK, "{:#}", response.body);
    response
        .body
        .as_array()
        .unwrap_or_else(|| panic!("{:#}", response.body))
}

#[tokio::test]
async fn operations_are_run_and_answered_in_their_order() {
    let server = Server::start().await;
    let batch = json!([
        { "query": FIND, "variables": { "n": "a" } },
        { "query": FIND, "variables": { "n": "b" } },
        { "query": "query A { __typename } query B { builders { totalCount } }", "operationName": "B" },
        { "query": FIND, "variables": { "n": "a" } },
    ]);
    for accept in [JSON, GRAPHQL, "*/*"] {
        let response = post(&server, accept, &batch).await;
        let media = if accept == GRAPHQL { GRAPHQL } else { JSON };
        assert!(response.content_type().starts_with(media), "{accept}");
        let expected = json!([
            { "data": { "findBuilder": { "builderid": 1 } } },
            { "data": { "findBuilder": { "builderid": 2 } } },
            { "data": { "builders": { "totalCount": 2 } } },
            { "data": { "findBuilder": { "builderid": 1 } } },
        ]);
        assert_eq!(response.body, expected);
        assert_eq!(response.status, StatusCode::OK);
    }
    let one = post(&server, JSON, &json!([{ "query": TYPENAME }])).await;
    assert_eq!(one.body, json!([{ "data": { "__typename": "Query" } }]));
}

#[tokio::test]
async fn an_operation_that_is_wrong_answers_its_error_in_its_place() {
    let server = Server::start().await;
    let wrong = [
        (json!({ "query": "{" }), "GRAPHQL_PARSE_FAILED"),
        (json!({ "query": "{ nope }" }), "GRAPHQL_VALIDATION_FAILED"),
        (
            json!({ "query": "subscription { stepEvents { cursor } }" }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (json!({ "query": 3 }), "BAD_USER_INPUT"),
        (json!({}), "BAD_USER_INPUT"),
        (json!(7), "BAD_USER_INPUT"),
        (json!(null), "BAD_USER_INPUT"),
        (json!([{ "query": TYPENAME }]), "BAD_USER_INPUT"),
        (
            json!({ "query": "{ builds(first: 500) { nodes { steps(limit: 50) { name } } } }" }),
            "LIMIT_EXCEEDED",
        ),
    ];
    for accept in [JSON, GRAPHQL] {
        for (element, expected) in &wrong {
            let batch = json!([{ "query": TYPENAME }, element, { "query": TYPENAME }]);
            let response = post(&server, accept, &batch).await;
            let [first, second, third] = answers(&response) else {
                panic!("{:#}", response.body);
            };
            assert_eq!(*first, json!({ "data": { "__typename": "Query" } }));
            assert_eq!(first, third);
            assert_eq!(code(second), *expected);
            assert!(second.get("data").is_none(), "{second:#}");
            let id = &second["errors"][0]["extensions"]["requestId"];
            assert_eq!(response.headers["x-request-id"], *id.as_str().unwrap());
        }
    }
    // One whose field fails has data.
    let missing = json!({ "query": "mutation { addBuild(builderid: 9) { step { name } } }" });
    let response = post(&server, JSON, &json!([missing, { "query": TYPENAME }])).await;
    let response = answers(&response);
    assert_eq!(code(&response[0]), "GRAPHQL_VALIDATION_FAILED");
    let missing = json!({ "query": "mutation { addBuild(builderid: 9) { build { number } } }" });
    let response = post(&server, JSON, &json!([missing, { "query": TYPENAME }])).await;
    let response = answers(&response);
    assert_eq!(code(&response[0]), "NOT_FOUND");
    assert_eq!(response[0]["data"], json!({ "addBuild": null }));
}

#[tokio::test]
async fn a_batch_too_long_or_empty_is_refused_whole() {
    let server = Server::with_flags(&["--anonymous", "write", "--max-batch", "3"]).await;
    let of = |length: usize| {
        Value::from(vec![
            json!({ "query": FIND, "variables": { "n": "b" } });
            length
        ])
    };
    for accept in [JSON, GRAPHQL] {
        let response = post(&server, accept, &of(4)).await;
        let message = response.refused(400);
        assert!(message.starts_with("max-batch is 3"), "{message}");
        let extensions = &response.body["errors"][0]["extensions"];
        for (name, value) in [
            ("code", json!("LIMIT_EXCEEDED")),
            ("limit", json!("max-batch")),
            ("max", json!(3)),
            ("asked", json!(4)),
        ] {
            assert_eq!(extensions[name], value);
        }
        let response = post(&server, accept, &of(0)).await;
        let message = response.refused(400);
        assert_eq!(message, "a batch has 1 to 3 operations, got 0");
    }
    let builders = "SELECT COUNT(*) AS n FROM builders";
    assert_eq!(server.sql().await.number(builders).await, 0);
    assert_eq!(answers(&post(&server, JSON, &of(3)).await).len(), 3);

    let off = Server::with_flags(&["--max-batch", "0"]).await;
    for length in [0, 1] {
        let response = post(&off, JSON, &of(length)).await;
        assert!(response.refused(400).contains("max-batch is 0"));
    }
}

#[tokio::test]
async fn the_operations_of_a_batch_cost_together() {
    let flags = ["--anonymous", "write", "--max-cost", "250"];
    let server = Server::with_flags(&flags).await;
    let write = json!({ "query": FIND, "variables": { "n": "b" } });
    let read = json!({ "query": BUILDS });
    let two = post(&server, JSON, &json!([read, read])).await;
    assert_eq!(answers(&two).len(), 2);
    for accept in [JSON, GRAPHQL] {
        let three = post(&server, accept, &json!([write, read, read, read])).await;
        let message = three.refused(400);
        assert!(message.contains("max-cost is 250"), "{message}");
        let extensions = &three.body["errors"][0]["extensions"];
        assert_eq!(extensions["limit"], "max-cost");
        assert_eq!(extensions["code"], "LIMIT_EXCEEDED");
        assert!(extensions["asked"].as_u64().unwrap() > 300);
    }
    let builders = "SELECT COUNT(*) AS n FROM builders";
    assert_eq!(server.sql().await.number(builders).await, 0);

    let server = Server::with_flags(&["--max-values", "250"]).await;
    let three = post(&server, GRAPHQL, &json!([read, read, read])).await;
    assert!(three.refused(400).contains("max-values is 250"));

    // Points too are taken for all of them before any runs.
    let flags = ["--anonymous", "write", "--rate-points", "250"];
    let slow = ["--rate-points-per-second", "1"];
    let server = Server::with_flags(&[&flags[..], &slow].concat()).await;
    let first = post(&server, JSON, &json!([read])).await;
    for accept in [JSON, GRAPHQL] {
        let refused = post(&server, accept, &json!([write, read, read])).await;
        refused.refused(429);
        assert!(refused.headers.contains_key("retry-after"));
        assert!(refused.content_type().starts_with(JSON));
    }
    assert_eq!(server.sql().await.number(builders).await, 0);
    let left = post(
        &server,
        JSON,
        &json!([{ "query": "{" }, { "query": TYPENAME }]),
    )
    .await;
    assert_eq!(answers(&left).len(), 2);
    let points = |answer: &Response| -> u64 {
        let status = answer.headers["ratelimit"].to_str().unwrap();
        let points = status.split(';').find_map(|part| part.strip_prefix("r="));
        points.unwrap().parse().unwrap()
    };
    // The first batch cost 101 and the time of its statements, the refused ones nothing, and this
    // one 11; a few points may have come back.
    let (first, left) = (points(&first), points(&left));
    assert!(first <= 149, "{first}");
    assert!((first - 11..first + 50).contains(&left), "{first} {left}");
}

#[tokio::test]
async fn each_answer_says_what_its_operation_cost() {
    let server = Server::start().await;
    let body = json!([{ "query": BUILDS }, { "query": TYPENAME }]).to_string();
    let headers = [("content-type", JSON), ("graphql-cost", "1")];
    let response = send(&server, Method::POST, &headers, &[], body).await;
    let costs: Vec<_> = answers(&response)
        .iter()
        .map(|answer| answer["extensions"]["cost"]["objects"].as_u64().unwrap())
        .collect();
    assert!(costs[0] > 100 && costs[1] <= 1, "{costs:?}");
}

#[tokio::test]
async fn a_batch_is_no_stream_and_needs_the_callers_rights() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    let batch = json!([{ "query": TYPENAME }]);
    for accept in [JSON, GRAPHQL] {
        post(&server, accept, &batch).await.refused(401);
    }
    let server = Server::with_flags(&["--max-body-bytes", "100"]).await;
    let response = post(&server, "text/event-stream", &batch).await;
    assert!(response.refused(406).contains("batch"));
    let response = post(
        &server,
        JSON,
        &Value::from(vec![json!({ "query": TYPENAME }); 10]),
    )
    .await;
    response.refused(413);
}
