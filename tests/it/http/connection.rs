//! Connections: how many there may be, how long they may be silent or slow, and what a client
//! receives when one is closed.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use super::JSON;
use crate::support::{TIMEOUT, server::Server, wait_until};

/// A plain TCP connection.
pub(super) struct RawConnection(TcpStream);

impl RawConnection {
    pub(super) async fn open(server: &Server) -> Self {
        Self(TcpStream::connect(server.address).await.unwrap())
    }

    /// A connection whose operating system buffers only a few kilobytes.
    async fn with_small_buffer(address: SocketAddr) -> Self {
        let tcp = TcpSocket::new_v4().unwrap();
        tcp.set_recv_buffer_size(4_096).unwrap();
        Self(tcp.connect(address).await.unwrap())
    }

    pub(super) async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.write_all(text.as_ref()).await.unwrap();
    }

    /// Everything that arrives until the connection is closed.
    pub(super) async fn read_to_end(mut self) -> String {
        let mut all = Vec::new();
        // A cut connection may end in an error. What came before it counts.
        let reading = self.0.read_to_end(&mut all);
        let _ = timeout(TIMEOUT, reading).await.expect("it is not closed");
        String::from_utf8_lossy(&all).into_owned()
    }

    /// The response with a short body to the last request.
    async fn response(&mut self) -> String {
        let mut all = Vec::new();
        let reading = async {
            while !all.ends_with(b"ok\n") {
                assert!(self.0.read_buf(&mut all).await.unwrap() > 0);
            }
        };
        timeout(TIMEOUT, reading).await.unwrap();
        String::from_utf8(all).unwrap()
    }
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const BODY: &str = r#"{"query":"{ __typename }"}"#;

/// The head of a POST with these additional headers.
pub(super) fn head(headers: &str) -> String {
    format!("POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSON}\r\n{headers}\r\n")
}

/// The JSON body of a response.
pub(super) fn body(response: &str) -> Value {
    let (_, body) = response.split_once("\r\n\r\n").unwrap_or_default();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {response}"))
}

#[tokio::test]
async fn a_connection_without_a_complete_head_is_closed() {
    let server = Server::with_flags(&["--idle-timeout-seconds", "1"]).await;
    let silent = RawConnection::open(&server).await;
    let mut slow = RawConnection::open(&server).await;
    slow.send("GET /healthz HTTP/1.1\r\nHo").await;
    let mut idle = RawConnection::open(&server).await;
    idle.send(HEALTH).await;
    assert!(idle.response().await.starts_with("HTTP/1.1 200"));
    let mut trickling = RawConnection::open(&server).await;
    for byte in HEALTH.as_bytes().chunks(1) {
        if trickling.0.write_all(byte).await.is_err() {
            break;
        }
        sleep(TIMEOUT / 100).await;
    }
    assert_eq!(
        trickling.read_to_end().await,
        "",
        "it took too long for an answer"
    );
    for (name, connection) in [("silent", silent), ("slow", slow), ("idle", idle)] {
        assert_eq!(connection.read_to_end().await, "", "{name}");
    }
    wait_until(async || server.handle.connections() == 0).await;
}

#[tokio::test]
async fn a_trickling_body_gets_a_timeout_error() {
    let server = Server::with_flags(&["--read-timeout-seconds", "1"]).await;
    for framing in ["Content-Length: 26\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut slow = RawConnection::open(&server).await;
        slow.send(head(framing)).await;
        slow.send("1\r\n").await;
        let response = slow.read_to_end().await;
        assert!(
            response.starts_with("HTTP/1.1 408"),
            "{framing}: {response}"
        );
        assert!(response.contains("connection: close"), "{response}");
        let error = body(&response)["errors"][0].take();
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with("read-timeout-seconds is 1"),
            "{message}"
        );
    }
    // A client that sends in time gets a normal response, however many pieces its body has.
    let mut quick = RawConnection::open(&server).await;
    quick
        .send(head("Connection: close\r\nContent-Length: 26\r\n"))
        .await;
    let (first, second) = BODY.split_at(7);
    quick.send(first).await;
    sleep(TIMEOUT / 400).await;
    quick.send(second).await;
    assert_eq!(
        body(&quick.read_to_end().await),
        json!({ "data": { "__typename": "Query" } })
    );
}

#[tokio::test]
async fn a_client_that_reads_no_response_is_disconnected() {
    let server = Server::with_flags(&["--write-timeout-seconds", "1"]).await;
    let mut stalled = RawConnection::with_small_buffer(server.address).await;
    let file = "GET /graphiql/graphiql.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // More than the operating system buffers for a client that does not read.
    stalled.send(file.repeat(100)).await;
    wait_until(async || server.handle.connections() == 1).await;
    wait_until(async || server.handle.connections() == 0).await;
    let output = stalled.read_to_end().await;
    assert!(output.matches("HTTP/1.1 200").count() < 100);
}

#[tokio::test]
async fn a_client_that_reads_no_events_is_disconnected() {
    let flags = ["--anonymous", "write", "--write-timeout-seconds", "1"];
    let server = Server::with_flags(&flags).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, _) = client.new_step(build, "s").await;
    let mut stalled = RawConnection::with_small_buffer(server.address).await;
    let query =
        r#"{"query":"subscription { stepEvents(snapshot: true) { step { stateString } } }"}"#;
    let length = query.len();
    stalled
        .send(head(&format!(
            "Accept: text/event-stream\r\nContent-Length: {length}\r\n"
        )))
        .await;
    stalled.send(query).await;
    wait_until(async || server.handle.subscribers() == 1).await;
    let tasks = server.handle.tasks();
    for i in 0..500 {
        let long = format!("{i:06}{}", "x".repeat(16_000));
        client.set_state(stepid, &long).await;
    }
    wait_until(async || server.handle.tasks() < tasks).await;
    wait_until(async || server.handle.subscribers() == 0).await;
    stalled.read_to_end().await;
}

#[tokio::test]
async fn the_number_of_connections_is_limited() {
    for (flag, trusting) in [
        ("--max-connections-per-address", false),
        ("--max-connections", true),
    ] {
        let proxy = if trusting { "127.0.0.0/8" } else { "192.0.2.1" };
        let server = Server::with_flags(&[flag, "2", "--trusted-proxy", proxy]).await;
        let mut first = RawConnection::open(&server).await;
        let mut second = RawConnection::open(&server).await;
        for connection in [&mut first, &mut second] {
            connection.send(HEALTH).await;
            connection.response().await;
        }
        let third = RawConnection::open(&server).await;
        assert_eq!(third.read_to_end().await, "", "{flag}");
        assert_eq!(server.handle.connections_refused(), 1);
        // Existing connections are not disturbed.
        first.send(HEALTH).await;
        first.response().await;
        drop(second);
        wait_until(async || server.handle.connections() == 1).await;
        let mut fourth = RawConnection::open(&server).await;
        fourth.send(HEALTH).await;
        fourth.response().await;
    }
}

#[tokio::test]
async fn a_trusted_proxy_may_have_more_connections() {
    let flags = [
        "--max-connections-per-address",
        "1",
        "--trusted-proxy",
        "127.0.0.1",
    ];
    let server = Server::with_flags(&flags).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        let mut connection = RawConnection::open(&server).await;
        connection.send(HEALTH).await;
        connection.response().await;
        all.push(connection);
    }
}

#[tokio::test]
async fn a_socket_counts_as_a_connection() {
    let server = Server::with_flags(&["--max-connections-per-address", "1"]).await;
    let ws = server.ws().await;
    let other = RawConnection::open(&server).await;
    assert_eq!(other.read_to_end().await, "");
    drop(ws);
    wait_until(async || server.handle.connections() == 0).await;
    server.ws().await;
}

#[tokio::test]
async fn an_oversized_head_is_refused() {
    let server = Server::start().await;
    let long = "x".repeat(200_000);
    let many = "X: x\r\n".repeat(200);
    for (head, status) in [
        (
            format!("GET /healthz?{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            431,
        ),
        (
            format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"),
            431,
        ),
        (
            format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"),
            431,
        ),
        ("nonsense\r\n\r\n".to_owned(), 400),
    ] {
        let mut connection = RawConnection::open(&server).await;
        // The server may close the connection before everything is sent.
        let _ = connection.0.write_all(head.as_bytes()).await;
        let response = connection.read_to_end().await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status}")),
            "{status}: {response}"
        );
    }
}

/// Three megabytes, with and without Content-Length: the response arrives while the client still
/// sends.
#[tokio::test]
async fn an_oversized_body_is_refused_while_it_arrives() {
    let server = Server::start().await;
    let large = "x".repeat(3 << 20);
    let announced = format!(
        "{}{large}",
        head(&format!("Content-Length: {}\r\n", large.len()))
    );
    let chunks = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let chunked = format!("{}{chunks}", head("Transfer-Encoding: chunked\r\n"));
    for request in [announced, chunked] {
        let mut connection = RawConnection::open(&server).await;
        connection.send(&request).await;
        let response = connection.read_to_end().await;
        assert!(response.starts_with("HTTP/1.1 413"), "{response}");
        let message = body(&response)["errors"][0]["message"].take();
        assert!(message.as_str().unwrap().starts_with("max-body-bytes is"));
    }
}

/// A request that its head alone condemns is refused before its body arrives.
#[tokio::test]
async fn a_refusal_does_not_wait_for_the_body() {
    let server = Server::start().await;
    for (headers, status) in [
        ("Content-Length: 9999999\r\n", 413),
        ("Content-Length: 10\r\nAccept: text/html\r\n", 406),
        ("Content-Length: 10\r\nContent-Encoding: gzip\r\n", 415),
    ] {
        let mut connection = RawConnection::open(&server).await;
        connection.send(head(headers)).await;
        let response = connection.read_to_end().await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status}")),
            "{status}: {response}"
        );
    }
}

/// RFC 9112, section 3.2.
#[tokio::test]
async fn a_request_has_one_host() {
    let server = Server::start().await;
    for (line, hosts, status) in [
        ("GET /healthz HTTP/1.1", "", 400),
        (
            "GET /healthz HTTP/1.1",
            "Host: localhost\r\nHost: localhost\r\n",
            400,
        ),
        (
            "GET /healthz HTTP/1.0",
            "Host: localhost\r\nHost: y\r\n",
            400,
        ),
        ("GET /nothing HTTP/1.1", "", 400),
        ("POST /graphql HTTP/1.1", "", 400),
        ("GET http://localhost/healthz HTTP/1.1", "", 400),
        (
            "GET http://localhost/healthz HTTP/1.1",
            "Host: localhost\r\n",
            200,
        ),
        ("GET /healthz HTTP/1.1", "Host: localhost\r\n", 200),
        ("GET /healthz HTTP/1.0", "", 200),
    ] {
        let mut connection = RawConnection::open(&server).await;
        let head = format!("{line}\r\n{hosts}Connection: close\r\n\r\n");
        connection.send(head).await;
        let response = connection.read_to_end().await;
        let (version, got) = response.split_at("HTTP/1.1 ".len());
        assert!(got.starts_with(&status.to_string()), "{line}: {response}");
        assert!(version.starts_with("HTTP/1."), "{response}");
        assert!(response.contains("x-request-id: "), "{response}");
        if status == 400 {
            assert!(response.contains("Host: one is needed, got "), "{response}");
        }
    }
}

#[tokio::test]
async fn a_refused_request_says_whether_its_connection_goes_on() {
    let server = Server::start().await;
    let post = |bytes: usize| {
        let head = "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain";
        format!(
            "{head}\r\nContent-Length: {bytes}\r\n\r\n{}",
            " ".repeat(bytes)
        )
    };
    // hyper has read the first body, and not the second.
    let mut raw = RawConnection::open(&server).await;
    raw.send(post(1_000)).await;
    raw.send(post(500_000)).await;
    let answers = raw.read_to_end().await;
    let (first, second) = answers[1..].split_once("HTTP/1.1 ").unwrap();
    assert!(first.starts_with("TTP/1.1 415"), "{answers}");
    assert!(!first.contains("connection: close"), "{answers}");
    assert!(second.starts_with("415"), "{answers}");
    assert!(second.contains("connection: close"), "{answers}");
}
