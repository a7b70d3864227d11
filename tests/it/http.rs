//! GraphQL over HTTP: which requests are accepted, and the status, media type and body of each
//! response.

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use crate::support::server::Server;

mod batch;
mod bodies;
mod client_address;
mod connection;
mod content_negotiation;
mod cross_site;
mod errors;
mod headers;
mod host;
mod pages;
mod panic;

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";

/// A response, read to its end.
struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Response {
    fn content_type(&self) -> &str {
        self.headers["content-type"].to_str().unwrap()
    }

    /// Checks a request that was refused before anything ran: errors with codes and messages for
    /// the client, and no data.
    fn refused(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{:#}", self.body);
        assert!(self.body.get("data").is_none(), "{:#}", self.body);
        check_errors(&self.body);
        self.body["errors"][0]["message"].as_str().unwrap()
    }
}

/// Checks that every error has a code and a message, and that none reveals the server's internals.
fn check_errors(body: &Value) {
    let errors = body["errors"]
        .as_array()
        .unwrap_or_else(|| panic!("no errors: {body:#}"));
    assert!(!errors.is_empty());
    for error in errors {
        assert!(error["extensions"]["code"].is_string(), "{body:#}");
        let message = error["message"].as_str().unwrap();
        assert!(!message.is_empty());
        for inside in [
            "SQL", "sqlite", "SELECT", "INSERT", "/tmp", ".rs", "sqlx", "serde", "panick",
        ] {
            assert!(!body.to_string().contains(inside), "{inside}: {body:#}");
        }
    }
}

/// Sends a request to the endpoint. A body that is not JSON reads as null.
async fn send(
    server: &Server,
    method: Method,
    headers: &[(&str, &str)],
    url: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> Response {
    let client = server.client();
    let mut request = client
        .http
        .request(method, &client.url)
        .query(url)
        .body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.unwrap();
    Response {
        status,
        headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

/// Posts JSON with this Accept header.
async fn post(server: &Server, accept: &str, body: &Value) -> Response {
    send(
        server,
        Method::POST,
        &[("content-type", JSON), ("accept", accept)],
        &[],
        body.to_string(),
    )
    .await
}

/// Sends a GET with this Accept header.
async fn get(server: &Server, accept: &str, url: &[(&str, &str)]) -> Response {
    send(server, Method::GET, &[("accept", accept)], url, "").await
}

#[tokio::test]
async fn a_get_accepts_query_variables_and_operation_name() {
    let server = Server::start().await;
    server.client().add_build("b").await;
    let query = "query A($b: Int!) { build(buildid: $b) { number } } query B { __typename }";
    let url = [
        ("query", query),
        ("variables", r#"{"b": 1}"#),
        ("operationName", "A"),
    ];
    let response = get(&server, GRAPHQL, &url).await;
    assert_eq!(
        (response.status, &response.body),
        (
            StatusCode::OK,
            &json!({ "data": { "build": { "number": 1 } } })
        )
    );
    assert!(
        response.content_type().starts_with(GRAPHQL),
        "{}",
        response.content_type()
    );
    let response = get(
        &server,
        GRAPHQL,
        &[("query", query), ("operationName", "B")],
    )
    .await;
    assert_eq!(response.body, json!({ "data": { "__typename": "Query" } }));
    let response = get(
        &server,
        GRAPHQL,
        &[
            ("query", "{ __typename }"),
            ("variables", ""),
            ("operationName", ""),
            ("other", "x"),
        ],
    )
    .await;
    assert_eq!(response.body, json!({ "data": { "__typename": "Query" } }));

    assert!(
        get(&server, GRAPHQL, &[])
            .await
            .refused(400)
            .starts_with("query: ")
    );
    for variables in ["{", "[1]", "3"] {
        let response = get(
            &server,
            GRAPHQL,
            &[("query", "{ __typename }"), ("variables", variables)],
        )
        .await;
        assert!(
            response.refused(400).starts_with("variables: "),
            "{variables}"
        );
    }
}

#[tokio::test]
async fn a_get_cannot_mutate() {
    let server = Server::start().await;
    let write = "mutation W { findBuilder(name: \"b\") { builderid } }";
    let both = format!("query R {{ __typename }} {write}");
    for url in [
        vec![("query", write)],
        vec![("query", &*both), ("operationName", "W")],
    ] {
        let response = get(&server, GRAPHQL, &url).await;
        assert!(response.refused(405).contains("POST"));
        assert!(response.headers["allow"].to_str().unwrap().contains("POST"));
    }
    let read = get(
        &server,
        GRAPHQL,
        &[("query", &both), ("operationName", "R")],
    )
    .await;
    assert_eq!(read.body, json!({ "data": { "__typename": "Query" } }));
    assert_eq!(
        server
            .sql()
            .await
            .number("SELECT COUNT(*) AS n FROM builders")
            .await,
        0
    );
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let server = Server::start().await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let headers = [("content-type", JSON)];
        let response = send(
            &server,
            method.clone(),
            &headers,
            &[],
            r#"{"query":"{ __typename }"}"#,
        )
        .await;
        assert_eq!(response.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        let allow = response.headers["allow"].to_str().unwrap();
        assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    }
}

#[tokio::test]
async fn a_subscription_needs_a_stream() {
    let server = Server::start().await;
    for accept in [JSON, GRAPHQL] {
        let body = json!({ "query": "subscription { stepEvents { cursor } }" });
        let response = post(&server, accept, &body).await;
        response.refused(if accept == JSON { 200 } else { 400 });
    }
}

#[tokio::test]
async fn anonymous_callers_get_401() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    for accept in [JSON, GRAPHQL] {
        let response = post(&server, accept, &json!({ "query": "{ __typename }" })).await;
        response.refused(401);
        assert_eq!(
            response.body["errors"][0]["extensions"]["code"],
            "UNAUTHENTICATED"
        );
        assert!(response.headers.contains_key("www-authenticate"));
    }
    get(&server, GRAPHQL, &[("query", "{ __typename }")])
        .await
        .refused(401);
}

/// What is not UTF-8 is not replaced, which would ask for something else.
#[tokio::test]
async fn a_parameter_that_is_not_utf8_is_refused_by_name() {
    let server = Server::start().await;
    let good = "query=query+A{__typename%7d&operationName=A&variables=%7b%7D";
    let ask = async |path: String| {
        let client = server.client();
        let url = format!("http://{}{path}", server.address);
        let request = client.http.get(url).header("accept", GRAPHQL);
        let response = request.send().await.unwrap();
        (response.status(), response.json::<Value>().await.unwrap())
    };
    for (query, name) in [
        (format!("{good}%ff"), "variables"),
        ("query={__typename}%23%ff".to_owned(), "query"),
        (format!("{good}%c3&operationName=%C3%28"), "variables"),
        (
            "query={__typename}&operationName=%e2%82".to_owned(),
            "operationName",
        ),
        ("documentId=%ff".to_owned(), "documentId"),
        ("query={__typename}&extensions=%ff".to_owned(), "extensions"),
    ] {
        let (status, body) = ask(format!("/graphql?{query}")).await;
        assert_eq!(status, 400, "{query}");
        let message = body["errors"][0]["message"].as_str().unwrap();
        assert_eq!(message, format!("{name}: it is not UTF-8"), "{query}");
    }
    for extra in ["", "&other=%ff", "&%ff=1", "&&other", "&x=%c3%a9"] {
        let (status, body) = ask(format!("/graphql?{good}{extra}")).await;
        assert_eq!(status, 200, "{extra}: {body}");
    }
    for (query, message) in [
        (
            "name__contains=%ff",
            "\"name__contains\": the value is not UTF-8",
        ),
        ("order=%ff", "\"order\": the value is not UTF-8"),
        ("na%ffme=x", "a parameter's name is not UTF-8"),
    ] {
        let (status, body) = ask(format!("/api/v2/builders?{query}")).await;
        assert_eq!(
            (status, &body),
            (StatusCode::BAD_REQUEST, &json!({ "error": message }))
        );
    }
}
