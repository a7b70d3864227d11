//! Routes beside the endpoint: health, readiness, GraphiQL, and the redirect to it.

use reqwest::{Response, redirect};
use serde_json::json;

use crate::support::server::Server;

async fn page(server: &Server, path: &str) -> Response {
    accepting(server, path, "*/*").await
}

async fn accepting(server: &Server, path: &str, accept: &str) -> Response {
    // The redirect's target is part of the test.
    let http = reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .build()
        .unwrap();
    let request = http.get(format!("http://{}{path}", server.address));
    request.header("accept", accept).send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn health_and_readiness_are_reported() {
    let server = Server::start().await;
    let alive = page(&server, "/healthz").await;
    assert_eq!(alive.status(), 200);
    assert_eq!(alive.text().await.unwrap().trim(), "ok");
    let ready = page(&server, "/readyz").await;
    assert_eq!(ready.status(), 200);
    assert!(header(&ready, "content-type").starts_with("application/json"));
    let output: serde_json::Value = ready.json().await.unwrap();
    assert_eq!(
        output,
        json!({ "database": "ok", "migrations": "ok", "writable": true, "feed": "ok" })
    );
}

#[tokio::test]
async fn the_root_redirects_to_graphiql() {
    let server = Server::start().await;
    let root = page(&server, "/").await;
    assert!(root.status().is_redirection(), "{}", root.status());
    assert_eq!(header(&root, "location"), "/graphiql");
    let playground = page(&server, "/graphiql").await;
    assert_eq!(playground.status(), 200);
    assert!(header(&playground, "content-type").starts_with("text/html"));
    let html = playground.text().await.unwrap();
    assert!(
        html.contains("<script") && html.contains("/graphiql/"),
        "{html}"
    );
    assert!(!html.contains("https://"), "it needs the network: {html}");
    assert_eq!(page(&server, "/nothing").await.status(), 404);
    let slash = page(&server, "/graphiql/").await;
    assert!(slash.status().is_redirection(), "{}", slash.status());
    assert_eq!(header(&slash, "location"), "/graphiql");
    for icon in ["/favicon.ico", "/graphiql/favicon.svg"] {
        let icon = page(&server, icon).await;
        assert_eq!(icon.status(), 200);
        assert_eq!(header(&icon, "content-type"), "image/svg+xml");
    }
}

/// What browsers send for an address that somebody typed.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";

#[tokio::test]
async fn a_browser_at_the_endpoint_is_led_to_graphiql() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    for path in ["/graphql", "/graphql?", "/graphql?utm=x"] {
        let response = accepting(&server, path, BROWSER).await;
        assert_eq!(response.status(), 303, "{path}");
        assert_eq!(header(&response, "location"), "/graphiql");
        assert_eq!(header(&response, "cache-control"), "no-store");
    }
    let server = Server::start().await;
    for (path, accept, status) in [
        ("/graphql", "*/*", 400),
        ("/graphql", "application/json, text/html", 400),
        ("/graphql", "text/html;q=0, */*", 400),
        ("/graphql?query={__typename}", BROWSER, 400),
        ("/graphql?documentId=x", BROWSER, 400),
        ("/graphql/stream", BROWSER, 406),
    ] {
        let response = accepting(&server, path, accept).await;
        assert_eq!(response.status(), status, "{path} {accept}");
    }
    let server = Server::with_flags(&["--no-graphiql"]).await;
    assert_eq!(accepting(&server, "/graphql", BROWSER).await.status(), 400);
    assert_eq!(
        accepting(&server, "/graphql", "text/html").await.status(),
        406
    );
}
