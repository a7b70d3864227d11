//! Content types that are read, media types that are answered.

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{GRAPHQL, JSON, post, send};
use crate::support::server::Server;

const BODY: &str = r#"{"query":"{ __typename }"}"#;

#[tokio::test]
async fn only_json_is_read() {
    let server = Server::start().await;
    for good in [
        JSON,
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
    ] {
        let answer = send(&server, Method::POST, &[("content-type", good)], &[], BODY).await;
        assert_eq!(
            (answer.status, &answer.body),
            (
                StatusCode::OK,
                &json!({ "data": { "__typename": "Query" } })
            ),
            "{good}"
        );
    }
    // The first three are what a page of another site may post unasked.
    for bad in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=utf-16",
        "application/jsonx",
        "nonsense",
    ] {
        let answer = send(&server, Method::POST, &[("content-type", bad)], &[], BODY).await;
        assert!(answer.refused(415).contains(JSON), "{bad}");
    }
    send(&server, Method::POST, &[], &[], BODY)
        .await
        .refused(415);
}

#[tokio::test]
async fn the_answer_is_what_the_client_likes_best() {
    let server = Server::start().await;
    let both = format!("{GRAPHQL}, {JSON}");
    let json_less = format!("{JSON};q=0.5, {GRAPHQL}");
    let graphql_less = format!("{GRAPHQL};q=0.1, */*;q=0.9");
    let not_graphql = format!("{GRAPHQL};q=0, */*");
    let with_charset = format!("{GRAPHQL}; charset=utf-8, {JSON}; charset=utf-8");
    for (accept, media) in [
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (&both, GRAPHQL),
        (&json_less, GRAPHQL),
        (&graphql_less, JSON),
        (&not_graphql, JSON),
        (&with_charset, GRAPHQL),
        ("text/html, */*;q=0.1", JSON),
    ] {
        let answer = post(&server, accept, &json!({ "query": "{ __typename }" })).await;
        assert_eq!(answer.status, StatusCode::OK, "{accept}");
        assert_eq!(
            answer.content_type(),
            format!("{media}; charset=utf-8"),
            "{accept}"
        );
        assert_eq!(
            answer.body,
            json!({ "data": { "__typename": "Query" } }),
            "{accept}"
        );
    }
    for accept in [
        "text/html",
        "image/png, text/*",
        "application/json;q=0",
        "application/json; charset=utf-16",
    ] {
        let answer = post(&server, accept, &json!({ "query": "{ __typename }" })).await;
        assert!(answer.refused(406).contains(GRAPHQL), "{accept}");
    }
}

/// The HTTP client always sends an Accept, so this goes over a bare connection.
#[tokio::test]
async fn without_a_wish_the_answer_is_json() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {JSON}\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("content-type: application/json; charset=utf-8"),
        "{answer}"
    );
    assert!(
        answer.ends_with(r#"{"data":{"__typename":"Query"}}"#),
        "{answer}"
    );
}
