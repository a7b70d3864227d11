//! What a page of another site can make a browser send: a GET must carry what it cannot.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{GRAPHQL, JSON, send};
use crate::support::server::Server;

const URL: [(&str, &str); 1] = [("query", "{ __typename }")];

/// Checks that a GET with these headers runs, or that it is refused with a reason.
async fn check(server: &Server, headers: &[(&str, &str)], runs: bool) {
    let response = send(server, Method::GET, headers, &URL, "").await;
    if runs {
        assert_eq!(response.status, StatusCode::OK, "{headers:?}");
        assert_eq!(response.body, json!({ "data": { "__typename": "Query" } }));
    } else {
        let message = response.refused(400);
        assert!(message.contains("GraphQL-Require-Preflight"), "{headers:?}");
    }
}

#[tokio::test]
async fn links_images_and_forms_cannot_run_a_query() {
    let server = Server::start().await;
    for accept in [
        "*/*",
        JSON,
        "image/*,*/*;q=0.8",
        "text/html,application/xhtml+xml,*/*;q=0.8",
    ] {
        check(&server, &[("accept", accept)], false).await;
    }
}

#[tokio::test]
async fn a_header_that_needs_a_preflight_lets_a_get_run() {
    let server = Server::start().await;
    for name in [
        "graphql-require-preflight",
        "apollo-require-preflight",
        "x-apollo-operation-name",
    ] {
        check(&server, &[("accept", "*/*"), (name, "1")], true).await;
        check(&server, &[("accept", "*/*"), (name, "")], false).await;
    }
    check(&server, &[("accept", GRAPHQL)], true).await;
}

/// Apollo Client sends its type with a GET too.
#[tokio::test]
async fn a_content_type_that_no_form_has_lets_a_get_run() {
    let server = Server::start().await;
    for good in [
        JSON,
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/graphql",
    ] {
        check(&server, &[("accept", "*/*"), ("content-type", good)], true).await;
    }
    for bad in [
        "text/plain",
        "Text/Plain;charset=UTF-8",
        "text/plain; x=application/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "",
        "json",
        "text/plain, application/json",
        "application/json, text/plain",
        "application/json;;text/plain",
    ] {
        check(&server, &[("accept", "*/*"), ("content-type", bad)], false).await;
    }
    let two = [
        ("accept", "*/*"),
        ("content-type", JSON),
        ("content-type", "text/plain"),
    ];
    check(&server, &two, false).await;
}

/// `Accept` alone does: a page may set it without a preflight, and a browser says so.
#[tokio::test]
async fn accept_proves_nothing_of_a_browser() {
    let server = Server::start().await;
    let accept = ("accept", GRAPHQL);
    let browser = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)");
    let own = format!("http://{}", server.address);
    for (more, runs) in [
        (vec![], true),
        (vec![("user-agent", "node")], true),
        (vec![browser], false),
        (vec![("cookie", "session=1")], false),
        (vec![("sec-fetch-site", "cross-site")], false),
        (vec![("sec-fetch-site", "same-site"), browser], false),
        (vec![("sec-fetch-site", "same-origin"), browser], true),
        (vec![("sec-fetch-site", "none"), browser], true),
        (vec![("origin", &*own), browser], true),
        (vec![("origin", "http://evil.example")], false),
        (vec![browser, ("graphql-require-preflight", "1")], true),
        (vec![browser, ("content-type", JSON)], true),
        (vec![browser, ("content-type", "text/plain")], false),
    ] {
        check(&server, &[vec![accept], more].concat(), runs).await;
    }
}
