//! A panic is answered with 500, and its connection goes on.

use buildbot_graphql::testing::{Clock, OnStatement};

use super::connection::RawConnection;
use crate::support::server::Server;

#[tokio::test]
async fn a_rest_request_that_panics_is_answered_and_its_connection_goes_on() {
    let panics: OnStatement = Box::new(|sql| assert!(!sql.contains("builders"), "a secret"));
    let server = Server::build(
        &["--trusted-proxy", "127.0.0.1"],
        None,
        Clock::System,
        Some(panics),
    )
    .await;
    let mut connection = RawConnection::open(&server).await;
    connection
        .send(
            "GET /api/v2/builders HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: the-first\r\n\r\n\
             GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )
        .await;
    let responses = connection.read_to_end().await;
    let (first, second) = responses
        .split_once(r#"{"error":"internal error"}"#)
        .unwrap_or_else(|| panic!("not answered: {responses}"));
    assert!(first.starts_with("HTTP/1.1 500 "), "{first}");
    for header in [
        "content-type: application/json; charset=utf-8\r\n",
        "x-request-id: the-first\r\n",
        "x-content-type-options: nosniff\r\n",
    ] {
        assert!(first.contains(header), "{header}: {first}");
    }
    assert!(second.starts_with("HTTP/1.1 200 "), "{second}");
    let counted = r#"buildbot_graphql_requests_total{route="rest",status="5xx"} 1"#;
    assert!(second.contains(counted), "{second}");
    assert!(!responses.contains("secret"), "{responses}");
}
