//! Callers that may not read: nothing of what they send is read.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::check_returned;
use crate::support::{TIMEOUT, server::Server};

/// Sends a head, and nothing of the body that it announces; returns the answer's head.
async fn answer_to(server: &Server, target: &str, headers: &str) -> String {
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "{target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}\r\n"
    );
    tcp.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = async {
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            assert!(tcp.read_buf(&mut answer).await.unwrap() > 0);
        }
    };
    timeout(TIMEOUT, reading)
        .await
        .expect("no answer before the body");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_caller_is_judged_before_its_body_is_read() {
    let flags = ["--anonymous", "none", "--read-timeout-seconds", "3600"];
    let server = Server::with_flags(&flags).await;
    for accept in [
        "application/json",
        "application/graphql-response+json",
        "text/event-stream",
    ] {
        for path in ["/graphql", "/graphql/stream"] {
            for token in ["", "Authorization: Bearer bbg_x\r\n"] {
                for length in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
                    let headers =
                        format!("Accept: {accept}, text/event-stream;q=0.1\r\n{token}{length}\r\n");
                    let answer = answer_to(&server, &format!("POST {path}"), &headers).await;
                    assert!(
                        answer.starts_with("HTTP/1.1 401"),
                        "{accept} {path}: {answer}"
                    );
                }
            }
        }
    }
    // Neither is a query that could not be read.
    let target = "GET /graphql?query=%7B__typename%7D&variables=%5B";
    let answer = answer_to(
        &server,
        target,
        "Accept: application/graphql-response+json\r\nGraphql-Require-Preflight: 1\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!(server.handle.memory_held(), 0);
    let open = Server::start().await;
    check_returned(&open).await;
}
