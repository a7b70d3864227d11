//! By whose name a server may be asked: a page whose name leads here must not pass for its own.

use reqwest::StatusCode;

use super::connection::RawConnection;
use crate::support::server::Server;

/// The status of a request with this line and these headers.
async fn status(server: &Server, line: &str, headers: &str) -> u16 {
    let mut connection = RawConnection::open(server).await;
    let head = format!("{line} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    connection.send(head).await;
    let response = connection.read_to_end().await;
    response[9..12].parse().expect(&response)
}

#[tokio::test]
async fn on_a_loopback_address_only_its_own_names_are_taken() {
    let server = Server::start().await;
    for (host, wanted) in [
        ("localhost", 200),
        ("LOCALHOST.:8020", 200),
        ("steps.localhost", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8020", 200),
        ("192.0.2.1", 200),
        ("evil.example", 421),
        ("evil.example:8020", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("xlocalhost", 421),
        ("", 400),
        (":8020", 400),
        ("u@localhost", 400),
        ("local%68ost", 400),
        ("localhost:a", 400),
        ("localhost, localhost", 400),
        ("[::1", 400),
    ] {
        let headers = format!("Host: {host}\r\nX-Forwarded-Host: localhost\r\n");
        assert_eq!(
            status(&server, "GET /metrics", &headers).await,
            wanted,
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_foreign_host_is_refused_on_every_route_but_those_of_probes() {
    let server = Server::start().await;
    let socket = "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                  Sec-WebSocket-Protocol: graphql-transport-ws\r\n";
    for (line, more, wanted) in [
        ("GET /", "", 421),
        ("GET /builders/a", "", 421),
        ("GET /page/page.js", "", 421),
        ("GET /graphiql", "", 421),
        ("GET /graphiql/start.js", "", 421),
        ("GET /graphql", socket, 421),
        ("POST /graphql", "", 421),
        ("OPTIONS /graphql", "", 421),
        ("GET /graphql/stream", "", 421),
        ("GET /api/v2/builders", "", 421),
        ("GET /nothing", "", 421),
        ("GET /metrics", "", 421),
        ("GET /healthz", "", 200),
        ("GET /readyz", "", 200),
    ] {
        let headers = format!("Host: evil.example\r\n{more}");
        assert_eq!(status(&server, line, &headers).await, wanted, "{line}");
    }
    // The target counts as much as the header.
    for (target, host, wanted) in [
        ("http://evil.example/metrics", "evil.example", 421),
        ("http://evil.example/metrics", "localhost", 400),
        ("http://localhost:80/metrics", "localhost", 200),
        ("http://localhost:81/metrics", "localhost", 400),
    ] {
        let line = format!("GET {target}");
        let headers = format!("Host: {host}\r\n");
        assert_eq!(
            status(&server, &line, &headers).await,
            wanted,
            "{target} {host}"
        );
    }
}

#[tokio::test]
async fn the_operator_names_the_hosts() {
    let flags = ["--allowed-host", "ci.example.org,*.steps.example.org"];
    let server = Server::with_flags(&flags).await;
    let proxied = Server::with_flags(&["--trusted-proxy", "127.0.0.1"]).await;
    for (host, wanted, by_proxy) in [
        ("CI.example.org:8020", 200, 200),
        ("a.b.steps.example.org", 200, 200),
        ("steps.example.org", 421, 200),
        ("localhost", 421, 200),
        ("127.0.0.1", 421, 200),
        ("other.example", 421, 200),
    ] {
        let headers = format!("Host: {host}\r\n");
        assert_eq!(
            status(&server, "GET /metrics", &headers).await,
            wanted,
            "{host}"
        );
        let got = status(&proxied, "GET /metrics", &headers).await;
        assert_eq!(got, by_proxy, "{host}");
    }
    let any = Server::with_flags(&["--listen", "0.0.0.0:0"]).await;
    assert_eq!(
        status(&any, "GET /metrics", "Host: any.example\r\n").await,
        200
    );
}

/// The status of an event stream for a page of this origin.
async fn page(server: &Server, headers: &[(&str, &str)]) -> StatusCode {
    let mut request = reqwest::Client::new()
        .get(format!("http://{}/graphql", server.address))
        .query(&[("query", "{ __typename }")])
        .header("accept", "text/event-stream");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn an_origin_has_a_scheme_too() {
    let plain = Server::start().await;
    let host = plain.address;
    let (http, https) = (format!("http://{host}"), format!("https://{host}"));
    for (headers, wanted) in [
        (vec![("origin", &*http)], 200),
        (vec![("origin", &*https)], 403),
        (
            vec![("origin", &*https), ("x-forwarded-proto", "https")],
            403,
        ),
        (vec![("origin", "null")], 403),
        (
            vec![("origin", &*http), ("sec-fetch-site", "cross-site")],
            403,
        ),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("sec-fetch-site", "same-site")], 403),
        (vec![("sec-fetch-site", "same-origin")], 200),
        (vec![], 200),
    ] {
        assert_eq!(page(&plain, &headers).await, wanted, "{headers:?}");
    }
    let proxied = Server::with_flags(&["--trusted-proxy", "127.0.0.1"]).await;
    for (host, origin, scheme, wanted) in [
        (
            "ci.example.org",
            "https://ci.example.org",
            Some("https"),
            200,
        ),
        (
            "ci.example.org",
            "https://CI.example.org:443",
            Some("https"),
            200,
        ),
        (
            "ci.example.org",
            "http://ci.example.org",
            Some("https"),
            403,
        ),
        (
            "ci.example.org",
            "https://ci.example.org",
            Some("http"),
            403,
        ),
        (
            "ci.example.org",
            "https://ci.example.org:80",
            Some("https"),
            403,
        ),
        // The proxy does not say.
        ("ci.example.org", "https://ci.example.org", None, 200),
        ("ci.example.org", "http://ci.example.org", None, 200),
        ("ci.example.org", "ftp://ci.example.org", None, 403),
    ] {
        let mut headers = vec![("host", host), ("origin", origin)];
        headers.extend(scheme.map(|scheme| ("x-forwarded-proto", scheme)));
        assert_eq!(page(&proxied, &headers).await, wanted, "{headers:?}");
    }
}

#[tokio::test]
async fn a_head_may_have_so_many_bytes() {
    let server = Server::start().await;
    let start = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: ";
    let room = 64 * 1024 - start.len() - "\r\n\r\n".len();
    for (length, wanted) in [(room, "200"), (room + 1, "431"), (room + 10_000, "431")] {
        let mut connection = RawConnection::open(&server).await;
        connection
            .send(format!("{start}{}\r\n\r\n", "x".repeat(length)))
            .await;
        let response = connection.read_to_end().await;
        assert_eq!(&response[9..12], wanted, "{length}: {response}");
    }
}
