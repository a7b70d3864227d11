//! Bodies that are not a valid request: each is refused with a message that names the problem.

use reqwest::Method;

use super::{GRAPHQL, JSON, send};
use crate::support::server::Server;

#[tokio::test]
async fn an_invalid_body_is_refused() {
    let server = Server::start().await;
    let ok = r#""query":"{ __typename }""#;
    for (body, word) in [
        (String::new(), "JSON"),
        ("{".to_owned(), "JSON"),
        ("query=x".to_owned(), "JSON"),
        (format!("{{{ok}}} x"), "JSON"),
        ("[]".to_owned(), "1 to 20 operations"),
        ("\"x\"".to_owned(), "JSON object"),
        ("null".to_owned(), "JSON object"),
        ("{}".to_owned(), "query"),
        (r#"{"Query":"{ __typename }"}"#.to_owned(), "query"),
        (r#"{"query":3}"#.to_owned(), "query: a String, got 3"),
        (r#"{"query":null}"#.to_owned(), "query: "),
        (r#"{"query":{"a":1}}"#.to_owned(), "query: a String, got {"),
        (
            format!(r#"{{{ok},"variables":[1]}}"#),
            "variables: an object, got [1]",
        ),
        (
            format!(r#"{{{ok},"variables":"{{}}"}}"#),
            "variables: an object",
        ),
        (
            format!(r#"{{{ok},"operationName":3}}"#),
            "operationName: a String, got 3",
        ),
        (
            format!(r#"{{{ok},"extensions":"x"}}"#),
            "extensions: an object",
        ),
    ] {
        for accept in [JSON, GRAPHQL] {
            let headers = [("content-type", JSON), ("accept", accept)];
            let response = send(&server, Method::POST, &headers, &[], body.clone()).await;
            let message = response.refused(400);
            assert!(
                message.contains(word) && message.len() < 200,
                "{body}: {message}"
            );
            assert!(response.content_type().starts_with(accept));
        }
    }
    let headers = [("content-type", JSON)];
    let response = send(
        &server,
        Method::POST,
        &headers,
        &[],
        b"{\"query\":\"\xff\"}".to_vec(),
    )
    .await;
    response.refused(400);
}

#[tokio::test]
async fn null_members_count_as_absent() {
    let server = Server::start().await;
    let body = r#"{"query":"{ __typename }","variables":null,"operationName":null,"extensions":null,"other":1}"#;
    let response = send(&server, Method::POST, &[("content-type", JSON)], &[], body).await;
    assert_eq!(response.body["data"]["__typename"], "Query");
}

#[tokio::test]
async fn a_body_above_the_limit_is_not_read() {
    let server = Server::with_flags(&["--max-document-bytes", "1000000"]).await;
    let query = |size: usize| format!("{{\"query\":\"{{ __typename }} #{}\"}}", "x".repeat(size));
    let headers = [("content-type", JSON)];
    let response = send(&server, Method::POST, &headers, &[], query(2 << 20)).await;
    assert!(response.refused(413).contains("max-body-bytes"));
    let response = send(&server, Method::POST, &headers, &[], query(1 << 19)).await;
    assert_eq!(response.body["data"]["__typename"], "Query");

    let server = Server::with_flags(&["--max-body-bytes", "100"]).await;
    assert!(
        send(&server, Method::POST, &headers, &[], query(100))
            .await
            .refused(413)
            .contains("100")
    );
    assert_eq!(
        send(&server, Method::POST, &headers, &[], query(10))
            .await
            .body["data"]["__typename"],
        "Query"
    );
}
