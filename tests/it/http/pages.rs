//! Routes beside the endpoint: health, readiness, the page, GraphiQL, and the redirect to it.

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
async fn without_the_page_the_root_redirects_to_graphiql() {
    let server = Server::with_flags(&["--no-page"]).await;
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

/// Addresses of views of the page.
const VIEWS: [&str; 8] = [
    "/",
    "/?failed",
    "/now",
    "/builders",
    "/builders/a%2Fb%20c",
    "/builders/%E6%97%A5.x-y/builds/3",
    "/builders/a.b/builds/3/steps/2",
    "/builders/a/builds/3/steps/2/logs/stdio",
];

/// Whether the page's HTML names GraphiQL.
async fn names_graphiql(server: &Server) -> bool {
    let html = page(server, "/").await.text().await.unwrap();
    assert!(html.contains("src=\"/page/"), "{html}");
    html.contains("<meta name=\"graphiql\" content=\"/graphiql\">")
}

#[tokio::test]
async fn every_view_is_the_page() {
    let server = Server::start().await;
    let root = page(&server, "/").await.text().await.unwrap();
    for view in VIEWS {
        let response = page(&server, view).await;
        assert_eq!(response.status(), 200, "{view}");
        assert_eq!(
            header(&response, "content-type"),
            "text/html; charset=utf-8"
        );
        assert_eq!(
            header(&response, "content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        );
        assert_eq!(response.text().await.unwrap(), root, "{view}");
    }
    assert!(!root.contains("https://"), "it needs the network: {root}");
    assert!(
        !root.contains("style=") && !root.contains("<style"),
        "{root}"
    );
    for (path, wanted) in [
        ("/page/page.js", "text/javascript; charset=utf-8"),
        ("/page/page.css", "text/css; charset=utf-8"),
        ("/page/chart.js", "text/javascript; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml"),
        ("/page/LICENSES.txt", "text/plain; charset=utf-8"),
        ("/favicon.ico", "image/svg+xml"),
    ] {
        let response = page(&server, path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(header(&response, "content-type"), wanted, "{path}");
    }
    for path in [
        "/page",
        "/page/x",
        "/page/..%2fCargo.toml",
        "/now/x",
        "/builders/a/b",
    ] {
        assert_eq!(page(&server, path).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn the_page_is_sent_once_to_each_browser() {
    let server = Server::start().await;
    let http = server.client().http;
    for path in ["/builders/a", "/page/page.js"] {
        let url = format!("http://{}{path}", server.address);
        let first = http.head(&url).send().await.unwrap();
        assert_eq!(first.status(), 200, "{path}");
        assert_eq!(header(&first, "cache-control"), "no-cache");
        let known = http
            .get(&url)
            .header("if-none-match", header(&first, "etag"));
        let again = known.send().await.unwrap();
        assert_eq!(again.status(), 304, "{path}");
        for name in ["etag", "content-security-policy"] {
            assert_eq!(header(&again, name), header(&first, name), "{path}");
        }
        assert_eq!(again.text().await.unwrap(), "");
    }
}

#[tokio::test]
async fn the_page_and_graphiql_do_without_each_other() {
    let both = Server::start().await;
    assert!(names_graphiql(&both).await);
    let alone = Server::with_flags(&["--no-graphiql"]).await;
    assert!(!names_graphiql(&alone).await);
    // Neither browser nor proxy takes one for the other.
    let (one, other) = (page(&both, "/").await, page(&alone, "/").await);
    assert_ne!(header(&one, "etag"), header(&other, "etag"));
    assert_eq!(page(&alone, "/favicon.ico").await.status(), 200);
    let without = Server::with_flags(&["--no-page"]).await;
    let neither = Server::with_flags(&["--no-page", "--no-graphiql"]).await;
    for path in VIEWS.iter().skip(2).chain(&["/page/page.js"]) {
        assert_eq!(page(&without, path).await.status(), 404, "{path}");
    }
    for path in VIEWS.iter().chain(&["/page/page.js", "/favicon.ico"]) {
        assert_eq!(page(&neither, path).await.status(), 404, "{path}");
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
