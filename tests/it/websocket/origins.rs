//! Which pages may open a socket.

use buildbot_graphql::testing::check_flags;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, client::IntoClientRequest, http::HeaderValue},
};

use super::NEW;
use crate::support::server::Server;

/// The status of an upgrade that a page of this origin requests.
async fn upgrade(server: &Server, origin: &str) -> u16 {
    let mut request = format!("ws://{}/graphql", server.address)
        .into_client_request()
        .unwrap();
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", HeaderValue::from_static(NEW));
    headers.insert("origin", origin.parse().unwrap());
    match connect_async(request).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn only_allowed_origins_and_our_own_may_open_a_socket() {
    let allowed = "https://ci.example.org,http://localhost:3000/";
    let flags = [
        "--allow-origin",
        allowed,
        "--allow-origin",
        "https://b.example:443",
    ];
    let server = Server::with_flags(&flags).await;
    let own = format!("http://{}", server.address);
    for good in [
        &own,
        "https://ci.example.org",
        "http://localhost:3000",
        "https://b.example",
    ] {
        assert_eq!(upgrade(&server, good).await, 101, "{good}");
    }
    for bad in [
        "http://ci.example.org",
        "https://ci.example.org:8443",
        "https://ci.example.org.evil.example",
        "https://evil.example/https://ci.example.org",
        "http://localhost",
        "null",
        "*",
    ] {
        assert_eq!(upgrade(&server, bad).await, 403, "{bad}");
    }
}

#[tokio::test]
async fn a_star_allows_every_origin() {
    let server = Server::with_flags(&["--allow-origin", "*"]).await;
    for origin in ["https://evil.example", "null"] {
        assert_eq!(upgrade(&server, origin).await, 101, "{origin}");
    }
}

#[test]
fn an_invalid_origin_flag_is_refused() {
    for bad in [
        "ci.example.org",
        "https://",
        "https://ci.example.org/path",
        "https://user@ci.example.org",
        "https://ci.example.org/?q",
        "https://*.example.org/x",
        "file:///tmp",
        "null",
        "",
        "https://ci.example.org,nonsense",
    ] {
        let text = check_flags(&["test", "--allow-origin", bad]).unwrap_err();
        assert!(
            text.contains("--allow-origin") && text.contains("an origin is"),
            "{bad}: {text}"
        );
    }
    for flag in [
        "--socket-init-seconds",
        "--socket-ping-seconds",
        "--write-timeout-seconds",
    ] {
        for bad in ["0", "86401", "x"] {
            let refused = check_flags(&["test", flag, bad]).unwrap_err();
            assert!(refused.contains(flag), "{flag} {bad}");
        }
    }
}
