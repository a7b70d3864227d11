//! Where a request came from, behind proxies: seen in whose points it spends.

use reqwest::Method;

use super::{JSON, send};
use crate::{rates::owe, support::server::Server};

const BODY: &str = r#"{"query":"{ __typename }"}"#;

/// Asks once, as forwarded for these; says whether there were points left.
async fn may_ask(server: &Server, forwarded: &[&str]) -> bool {
    let mut headers = vec![("content-type", JSON)];
    headers.extend(forwarded.iter().map(|line| ("x-forwarded-for", *line)));
    let answer = send(server, Method::POST, &headers, &[], BODY).await;
    match answer.status.as_u16() {
        200 => true,
        429 => false,
        other => panic!("{other}"),
    }
}

/// A server where this address has spent more than comes back while a test runs.
async fn with_spent(trusted: &str, spent: &str) -> Server {
    let server = Server::with(&["--trusted-proxy", trusted, "--rate-points", "1000"]).await;
    owe(&server, spent);
    server
}

#[tokio::test]
async fn the_nearest_stranger_is_who_asks() {
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
        assert!(!may_ask(&server, same).await, "{same:?}");
    }
    for other in [
        &["192.0.2.8"][..],
        &["192.0.2.7, 192.0.2.8"],
        &["192.0.2.7", "192.0.2.8"],
        &[],
        // Not believed at all: it is the proxy who asks.
        &["192.0.2.7, rubbish"],
        &["192.0.2.7,"],
        &["192.0.2.7, unknown"],
        &["192.0.2.7:x"],
        &["[192.0.2.7"],
        &["10.0.0.1, 10.0.0.2"],
    ] {
        assert!(may_ask(&server, other).await, "{other:?}");
    }
}

#[tokio::test]
async fn an_ipv6_network_is_one_caller() {
    let server = with_spent("127.0.0.1", "2001:db8::1").await;
    for same in [
        "2001:db8::1",
        "2001:db8::ffff",
        "[2001:db8::2]",
        "[2001:db8::2]:443",
    ] {
        assert!(!may_ask(&server, &[same]).await, "{same}");
    }
    assert!(may_ask(&server, &["2001:db8:0:1::1"]).await);
}

#[tokio::test]
async fn who_is_not_trusted_is_not_believed() {
    let server = with_spent("192.0.2.1", "192.0.2.7").await;
    assert!(may_ask(&server, &["192.0.2.7"]).await);
    let server = with_spent("192.0.2.1", "127.0.0.1").await;
    assert!(!may_ask(&server, &["192.0.2.7"]).await);
}
