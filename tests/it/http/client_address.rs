//! Client addresses behind proxies, observed by whose points a request spends.

use reqwest::Method;

use super::{JSON, send};
use crate::{rate_limit::overcharge, support::server::Server};

const BODY: &str = r#"{"query":"{ __typename }"}"#;

/// Sends one request, forwarded for these addresses, and returns whether there were points left.
async fn has_points(server: &Server, forwarded: &[&str]) -> bool {
    let mut headers = vec![("content-type", JSON)];
    headers.extend(forwarded.iter().map(|line| ("x-forwarded-for", *line)));
    let response = send(server, Method::POST, &headers, &[], BODY).await;
    match response.status.as_u16() {
        200 => true,
        429 => false,
        other => panic!("{other}"),
    }
}

/// A server on which this address has spent more points than refill during a test.
async fn with_spent(trusted: &str, spent: &str) -> Server {
    let server = Server::with_flags(&["--trusted-proxy", trusted, "--rate-points", "1000"]).await;
    overcharge(&server, spent);
    server
}

#[tokio::test]
async fn the_nearest_untrusted_address_is_the_client() {
    let server = with_spent("127.0.0.1,10.0.0.0/8,fd00::/8", "192.0.2.7").await;
    for same in [
        &["192.0.2.7"][..],
        &["203.0.113.9, 192.0.2.7"],
        &["203.0.113.9", "192.0.2.7"],
        &["192.0.2.7, 10.1.2.3"],
        &["192.0.2.7", "10.1.2.3, fd00::1"],
        &["rubbish, 192.0.2.7"],
        &["192.0.2.7:4711"],
        &["::ffff:192.0.2.7"],
        &[" 192.0.2.7 , [fd00::1]:80 "],
    ] {
        assert!(!has_points(&server, same).await, "{same:?}");
    }
    for other in [
        &["192.0.2.8"][..],
        &["192.0.2.7, 192.0.2.8"],
        &["192.0.2.7", "192.0.2.8"],
        &[],
        // Not trusted at all: the proxy is the client.
        &["192.0.2.7, rubbish"],
        &["192.0.2.7,"],
        &["192.0.2.7, unknown"],
        &["192.0.2.7:x"],
        &["[192.0.2.7"],
        &["10.0.0.1, 10.0.0.2"],
    ] {
        assert!(has_points(&server, other).await, "{other:?}");
    }
}

#[tokio::test]
async fn an_ipv6_network_is_one_client() {
    let server = with_spent("127.0.0.1", "2001:db8::1").await;
    for same in [
        "2001:db8::1",
        "2001:db8::ffff",
        "[2001:db8::2]",
        "[2001:db8::2]:443",
    ] {
        assert!(!has_points(&server, &[same]).await, "{same}");
    }
    assert!(has_points(&server, &["2001:db8:0:1::1"]).await);
}

#[tokio::test]
async fn an_untrusted_proxy_is_not_believed() {
    let server = with_spent("192.0.2.1", "192.0.2.7").await;
    assert!(has_points(&server, &["192.0.2.7"]).await);
    let server = with_spent("192.0.2.1", "127.0.0.1").await;
    assert!(!has_points(&server, &["192.0.2.7"]).await);
}
