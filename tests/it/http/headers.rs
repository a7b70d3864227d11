//! Methods, CORS, compression, and the headers that tell a browser what it may do.

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::json;

use super::{GRAPHQL, JSON, send};
use crate::{cli::run, http::connection::RawConnection, support::server::Server};

const GOOD: &str = "https://ci.example.org";
const BODY: &str = r#"{"query":"{ __typename }"}"#;

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

async fn head_of(server: &Server, method: &str, path: &str) -> (StatusCode, HeaderMap) {
    let url = format!("http://{}{path}", server.address);
    let client = server.client().http;
    let request = client.request(method.parse().unwrap(), url);
    let response = request.send().await.unwrap();
    (response.status(), response.headers().clone())
}

#[tokio::test]
async fn an_unknown_method_gets_405_with_the_allowed_ones() {
    let server = Server::start().await;
    for (path, method, allowed) in [
        ("/graphql", "PUT", "GET,HEAD,POST,OPTIONS"),
        ("/graphql", "DELETE", "GET,HEAD,POST,OPTIONS"),
        ("/graphiql", "POST", "GET,HEAD"),
        ("/graphiql/start.js", "PUT", "GET,HEAD"),
        ("/", "POST", "GET,HEAD"),
        ("/builders/a/builds/1", "DELETE", "GET,HEAD"),
        ("/page/page.js", "POST", "GET,HEAD"),
        ("/healthz", "POST", "GET,HEAD"),
        ("/readyz", "DELETE", "GET,HEAD"),
        ("/metrics", "OPTIONS", "GET,HEAD"),
        ("/api/v2/builds", "POST", "GET, HEAD, OPTIONS"),
    ] {
        let (status, headers) = head_of(&server, method, path).await;
        assert_eq!(status, 405, "{method} {path}");
        assert_eq!(header(&headers, "allow"), Some(allowed), "{method} {path}");
    }
    let (status, _) = head_of(&server, "GET", "/nothing").await;
    assert_eq!(status, 404);
    let (status, headers) = head_of(&server, "OPTIONS", "/graphql").await;
    assert_eq!(status, 204);
    assert_eq!(header(&headers, "allow"), Some("GET, HEAD, POST, OPTIONS"));
}

#[tokio::test]
async fn a_compressed_body_is_refused_with_the_reason() {
    let server = Server::start().await;
    for encoding in ["gzip", "br", "identity, gzip"] {
        let headers = [("content-type", JSON), ("content-encoding", encoding)];
        let answer = send(&server, Method::POST, &headers, &[], BODY).await;
        let message = answer.refused(415);
        assert!(message.starts_with("Content-Encoding:"), "{message}");
    }
    let headers = [("content-type", JSON), ("content-encoding", "Identity")];
    let answer = send(&server, Method::POST, &headers, &[], BODY).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_send_and_read() {
    let server = Server::with_flags(&["--allow-origin", GOOD]).await;
    let own = format!("http://{}", server.address);
    for origin in [GOOD, &own] {
        for asked in [
            "authorization,content-type",
            "x-anything, traceparent",
            "idempotency-key",
        ] {
            let preflight = [
                ("origin", origin),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", asked),
            ];
            let answer = send(&server, Method::OPTIONS, &preflight, &[], "").await;
            assert_eq!(answer.status, 204);
            let of = |name| header(&answer.headers, name).unwrap_or_default();
            assert_eq!(of("access-control-allow-origin"), origin);
            assert!(of("access-control-allow-methods").contains("POST"));
            assert_eq!(of("access-control-allow-headers"), asked);
            assert_eq!(of("access-control-max-age"), "3600");
            assert_eq!(
                header(&answer.headers, "access-control-allow-credentials"),
                None
            );
            let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
            assert_eq!(vary, ["Origin", "Access-Control-Request-Headers"]);
        }
        // Successful responses and errors.
        for (content_type, status) in [(JSON, 200), ("text/plain", 415)] {
            let headers = [("content-type", content_type), ("origin", origin)];
            let answer = send(&server, Method::POST, &headers, &[], BODY).await;
            assert_eq!(answer.status, status);
            let of = |name| header(&answer.headers, name).unwrap_or_default();
            assert_eq!(of("access-control-allow-origin"), origin);
            assert_eq!(of("vary"), "Origin");
            let shown = of("access-control-expose-headers");
            assert!(shown.contains("Retry-After") && shown.contains("RateLimit"));
        }
    }
}

/// Where a proxy in front logs users in, pages must be able to send its cookie.
#[tokio::test]
async fn credentials_are_allowed_to_named_origins_alone() {
    let flags = ["--allow-origin", GOOD, "--allow-credentials"];
    let server = Server::with_flags(&flags).await;
    for (origin, allowed) in [(GOOD, Some("true")), ("https://evil.example", None)] {
        for method in [Method::OPTIONS, Method::POST] {
            let headers = [("content-type", JSON), ("origin", origin)];
            let answer = send(&server, method, &headers, &[], BODY).await;
            let got = header(&answer.headers, "access-control-allow-credentials");
            assert_eq!(got, allowed, "{origin}");
            let got = header(&answer.headers, "access-control-allow-origin");
            assert_eq!(got, allowed.map(|_| GOOD));
        }
    }
    // By whatever scheme a page has this server's host, it is not one that was named.
    for scheme in ["http", "https", "ftp"] {
        let own = format!("{scheme}://{}", server.address);
        let headers = [("content-type", JSON), ("origin", &own)];
        let answer = send(&server, Method::POST, &headers, &[], BODY).await;
        let got = header(&answer.headers, "access-control-allow-credentials");
        assert_eq!(got, None, "{own}");
    }
    let serve = ["serve", "--listen", "127.0.0.1:0", "--allow-credentials"];
    for (flags, status, about) in [
        (
            &["--allow-origin", "*"][..],
            2,
            "--allow-credentials is not for",
        ),
        (
            &["--allow-origin", "https://a.example,*"],
            2,
            "any page could act",
        ),
        (&[], 2, "--allow-origin"),
    ] {
        let (code, _, output) = run(&[&serve[..], flags].concat()).await;
        assert_eq!(code, Some(status), "{output}");
        assert!(output.contains(about), "{output}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_gets_no_cors_headers() {
    let server = Server::with_flags(&["--allow-origin", GOOD]).await;
    for origin in ["https://evil.example", "null", "http://ci.example.org"] {
        for (method, content_type) in [
            (Method::OPTIONS, JSON),
            (Method::POST, JSON),
            (Method::POST, "text/plain"),
        ] {
            let headers = [
                ("content-type", content_type),
                ("origin", origin),
                ("access-control-request-method", "POST"),
            ];
            let answer = send(&server, method, &headers, &[], BODY).await;
            let cors_headers = answer
                .headers
                .keys()
                .map(reqwest::header::HeaderName::as_str);
            let cors_headers: Vec<_> = cors_headers
                .filter(|name| name.starts_with("access-control"))
                .collect();
            assert!(cors_headers.is_empty(), "{origin}: {cors_headers:?}");
            assert_eq!(header(&answer.headers, "vary"), Some("Origin"));
        }
    }
    // A request without Origin gets no CORS header.
    let answer = send(&server, Method::POST, &[("content-type", JSON)], &[], BODY).await;
    assert_eq!(answer.status, 200);
    assert_eq!(header(&answer.headers, "access-control-allow-origin"), None);
}

#[tokio::test]
async fn every_response_has_security_headers() {
    let server = Server::start().await;
    for (path, policy) in [
        ("/healthz", "default-src 'none'; frame-ancestors 'none'"),
        ("/nothing", "default-src 'none'; frame-ancestors 'none'"),
        ("/graphql", "default-src 'none'; frame-ancestors 'none'"),
        (
            "/api/v2/builds",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("/", "style-src 'self';"),
        ("/page/page.js", "connect-src 'self';"),
        ("/graphiql", "script-src 'self';"),
        ("/graphiql/start.js", "frame-ancestors 'none'"),
    ] {
        let (_, headers) = head_of(&server, "GET", path).await;
        let of = |name| header(&headers, name).unwrap_or_default();
        assert!(of("content-security-policy").contains(policy), "{path}");
        assert!(!of("content-security-policy").contains("unsafe-eval"));
        assert_eq!(of("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(of("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(of("cross-origin-resource-policy"), "same-origin", "{path}");
        for absent in ["server", "strict-transport-security", "x-powered-by"] {
            assert_eq!(header(&headers, absent), None, "{path}");
        }
    }
    for accept in [JSON, GRAPHQL, "text/event-stream"] {
        let headers = [("content-type", JSON), ("accept", accept)];
        let answer = send(&server, Method::POST, &headers, &[], BODY).await;
        assert_eq!(header(&answer.headers, "cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn large_responses_are_compressed_on_request() {
    let server = Server::start().await;
    let large = json!({ "query": "{ __schema { types { name description fields { name description } } } }" });
    let gzip = ("accept-encoding", "gzip, br");
    let json = ("content-type", JSON);
    let ask = async |headers: &[(&str, &str)], body: &str| {
        let answer = send(&server, Method::POST, headers, &[], body.to_owned()).await;
        assert_eq!(answer.status, 200);
        let encoding = header(&answer.headers, "content-encoding").map(str::to_owned);
        (encoding, answer.body)
    };
    let large = large.to_string();
    let (encoding, body) = ask(&[json, gzip], &large).await;
    assert_eq!(encoding.as_deref(), Some("gzip"));
    assert!(body.is_null(), "it is no JSON as it comes");
    let (encoding, body) = ask(&[json], &large).await;
    assert!(encoding.is_none() && body["data"]["__schema"].is_object());
    let (encoding, body) = ask(&[json, gzip], BODY).await;
    assert!(encoding.is_none() && body["data"].is_object(), "too small");
    let stream = ("accept", "text/event-stream");
    let (encoding, _) = ask(&[json, gzip, stream], &large).await;
    assert_eq!(encoding, None, "an event does not wait for the next");
    // Compressed assets are not compressed again.
    let mut connection = RawConnection::open(&server).await;
    connection
        .send("GET /graphiql/graphiql.min.css HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n")
        .await;
    let answer = connection.read_to_end().await;
    assert_eq!(answer.matches("content-encoding: gzip").count(), 1);
}
