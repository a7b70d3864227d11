//! Accepted content types and negotiated response types.

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
async fn only_json_is_accepted() {
    let server = Server::start().await;
    for good in [
        JSON,
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
    ] {
        let response = send(&server, Method::POST, &[("content-type", good)], &[], BODY).await;
        assert_eq!(
            (response.status, &response.body),
            (
                StatusCode::OK,
                &json!({ "data": { "__typename": "Query" } })
            ),
            "{good}"
        );
    }
    // A page of another site may post the first three without preflight.
    for bad in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=utf-16",
        "application/jsonx",
        "nonsense",
    ] {
        let response = send(&server, Method::POST, &[("content-type", bad)], &[], BODY).await;
        assert!(response.refused(415).contains(JSON), "{bad}");
    }
    send(&server, Method::POST, &[], &[], BODY)
        .await
        .refused(415);
}

#[tokio::test]
async fn the_response_has_the_clients_preferred_type() {
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
        let response = post(&server, accept, &json!({ "query": "{ __typename }" })).await;
        assert_eq!(response.status, StatusCode::OK, "{accept}");
        assert_eq!(
            response.content_type(),
            format!("{media}; charset=utf-8"),
            "{accept}"
        );
        assert_eq!(
            response.body,
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
        let response = post(&server, accept, &json!({ "query": "{ __typename }" })).await;
        assert!(response.refused(406).contains(GRAPHQL), "{accept}");
    }
}

/// The HTTP client always sends an Accept header, so this uses a plain TCP connection.
#[tokio::test]
async fn without_an_accept_header_the_response_is_json() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {JSON}\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(
        response.contains("content-type: application/json; charset=utf-8"),
        "{response}"
    );
    assert!(
        response.ends_with(r#"{"data":{"__typename":"Query"}}"#),
        "{response}"
    );
}
