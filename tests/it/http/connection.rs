//! Connections: how many, how long they may be silent, slow or deaf, and what is said when they are closed.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use super::JSON;
use crate::support::{PATIENCE, server::Server, until};

/// A bare connection.
pub(super) struct Bare(TcpStream);

impl Bare {
    pub(super) async fn open(server: &Server) -> Self {
        Self(TcpStream::connect(server.address).await.unwrap())
    }

    /// One whose operating system takes only a few kilobytes.
    async fn deaf(address: SocketAddr) -> Self {
        let tcp = TcpSocket::new_v4().unwrap();
        tcp.set_recv_buffer_size(4_096).unwrap();
        Self(tcp.connect(address).await.unwrap())
    }

    pub(super) async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.write_all(text.as_ref()).await.unwrap();
    }

    /// Everything that comes until the connection is closed.
    pub(super) async fn rest(mut self) -> String {
        let mut all = Vec::new();
        // What was cut off may end in an error; what came before it counts.
        let reading = self.0.read_to_end(&mut all);
        let _ = timeout(PATIENCE, reading).await.expect("it is not closed");
        String::from_utf8_lossy(&all).into_owned()
    }

    /// An answer with a short body, which is the last that was asked for.
    async fn answer(&mut self) -> String {
        let mut all = Vec::new();
        let reading = async {
            while !all.ends_with(b"ok\n") {
                assert!(self.0.read_buf(&mut all).await.unwrap() > 0);
            }
        };
        timeout(PATIENCE, reading).await.unwrap();
        String::from_utf8(all).unwrap()
    }
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const BODY: &str = r#"{"query":"{ __typename }"}"#;

/// The head of a POST, with these headers too.
pub(super) fn head(headers: &str) -> String {
    format!("POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\n{headers}\r\n")
}

/// The JSON below an answer's head.
pub(super) fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}"))
}

#[tokio::test]
async fn who_sends_no_whole_head_is_closed() {
    let server = Server::with(&["--idle-timeout-seconds", "1"]).await;
    let silent = Bare::open(&server).await;
    let mut slow = Bare::open(&server).await;
    slow.send("GET /healthz HTTP/1.1\r\nHo").await;
    let mut idle = Bare::open(&server).await;
    idle.send(HEALTH).await;
    assert!(idle.answer().await.starts_with("HTTP/1.1 200"));
    let mut trickling = Bare::open(&server).await;
    for byte in HEALTH.as_bytes().chunks(1) {
        if trickling.0.write_all(byte).await.is_err() {
            break;
        }
        sleep(PATIENCE / 100).await;
    }
    assert_eq!(trickling.rest().await, "", "it took too long for an answer");
    for (name, connection) in [("silent", silent), ("slow", slow), ("idle", idle)] {
        assert_eq!(connection.rest().await, "", "{name}");
    }
    until(async || server.handle.connections() == 0).await;
}

#[tokio::test]
async fn a_body_that_trickles_is_told_so() {
    let server = Server::with(&["--read-timeout-seconds", "1"]).await;
    for framing in ["Content-Length: 26\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut slow = Bare::open(&server).await;
        slow.send(head(framing)).await;
        slow.send("1\r\n").await;
        let answer = slow.rest().await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{framing}: {answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        let error = body(&answer)["errors"][0].take();
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with("read-timeout-seconds is 1"),
            "{message}"
        );
    }
    // Whoever sends it in time is not told anything, however many pieces it comes in.
    let mut quick = Bare::open(&server).await;
    quick
        .send(head("Connection: close\r\nContent-Length: 26\r\n"))
        .await;
    let (first, second) = BODY.split_at(7);
    quick.send(first).await;
    sleep(PATIENCE / 400).await;
    quick.send(second).await;
    assert_eq!(
        body(&quick.rest().await),
        json!({ "data": { "__typename": "Query" } })
    );
}

#[tokio::test]
async fn who_takes_no_answer_is_closed() {
    let server = Server::with(&["--write-timeout-seconds", "1"]).await;
    let mut deaf = Bare::deaf(server.address).await;
    let file = "GET /graphiql/graphiql.min.js HTTP/1.1\r\nHost: x\r\n\r\n";
    // More than the operating system takes for a client that does not read.
    deaf.send(file.repeat(100)).await;
    until(async || server.handle.connections() == 1).await;
    until(async || server.handle.connections() == 0).await;
    let rest = deaf.rest().await;
    assert!(rest.matches("HTTP/1.1 200").count() < 100);
}

#[tokio::test]
async fn who_takes_no_events_is_closed() {
    let flags = ["--anonymous", "write", "--write-timeout-seconds", "1"];
    let server = Server::with(&flags).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, _) = client.new_step(build, "s").await;
    let mut deaf = Bare::deaf(server.address).await;
    let query =
        r#"{"query":"subscription { stepEvents(snapshot: true) { step { stateString } } }"}"#;
    let length = query.len();
    deaf.send(head(&format!(
        "Accept: text/event-stream\r\nContent-Length: {length}\r\n"
    )))
    .await;
    deaf.send(query).await;
    until(async || server.handle.subscribers() == 1).await;
    let tasks = server.handle.tasks();
    for i in 0..500 {
        let long = format!("{i:06}{}", "x".repeat(16_000));
        client.set_state(stepid, &long).await;
    }
    until(async || server.handle.tasks() < tasks).await;
    until(async || server.handle.subscribers() == 0).await;
    deaf.rest().await;
}

#[tokio::test]
async fn there_are_only_so_many_connections() {
    for (flag, trusting) in [
        ("--max-connections-per-address", false),
        ("--max-connections", true),
    ] {
        let proxy = if trusting { "127.0.0.0/8" } else { "192.0.2.1" };
        let server = Server::with(&[flag, "2", "--trusted-proxy", proxy]).await;
        let mut first = Bare::open(&server).await;
        let mut second = Bare::open(&server).await;
        for connection in [&mut first, &mut second] {
            connection.send(HEALTH).await;
            connection.answer().await;
        }
        let third = Bare::open(&server).await;
        assert_eq!(third.rest().await, "", "{flag}");
        assert_eq!(server.handle.connections_refused(), 1);
        // Those that are there are not disturbed.
        first.send(HEALTH).await;
        first.answer().await;
        drop(second);
        until(async || server.handle.connections() == 1).await;
        let mut fourth = Bare::open(&server).await;
        fourth.send(HEALTH).await;
        fourth.answer().await;
    }
}

#[tokio::test]
async fn a_trusted_proxy_may_have_more() {
    let flags = [
        "--max-connections-per-address",
        "1",
        "--trusted-proxy",
        "127.0.0.1",
    ];
    let server = Server::with(&flags).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        let mut connection = Bare::open(&server).await;
        connection.send(HEALTH).await;
        connection.answer().await;
        all.push(connection);
    }
}

#[tokio::test]
async fn a_socket_counts_as_a_connection() {
    let server = Server::with(&["--max-connections-per-address", "1"]).await;
    let ws = server.ws().await;
    let other = Bare::open(&server).await;
    assert_eq!(other.rest().await, "");
    drop(ws);
    until(async || server.handle.connections() == 0).await;
    server.ws().await;
}

#[tokio::test]
async fn a_head_too_large_is_refused() {
    let server = Server::start().await;
    let long = "x".repeat(200_000);
    let many = "X: x\r\n".repeat(200);
    for (head, status) in [
        (
            format!("GET /healthz?{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
            431,
        ),
        (
            format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"),
            431,
        ),
        (
            format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
            431,
        ),
        ("nonsense\r\n\r\n".to_owned(), 400),
    ] {
        let mut connection = Bare::open(&server).await;
        // It may be closed before all is sent.
        let _ = connection.0.write_all(head.as_bytes()).await;
        let answer = connection.rest().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{status}: {answer}"
        );
    }
}

/// Three megabytes, told before or not: the answer comes through while the client still sends.
#[tokio::test]
async fn a_body_too_large_is_told_so_while_it_comes() {
    let server = Server::start().await;
    let large = "x".repeat(3 << 20);
    let announced = format!(
        "{}{large}",
        head(&format!("Content-Length: {}\r\n", large.len()))
    );
    let chunks = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let chunked = format!("{}{chunks}", head("Transfer-Encoding: chunked\r\n"));
    for request in [announced, chunked] {
        let mut connection = Bare::open(&server).await;
        connection.send(&request).await;
        let answer = connection.rest().await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        let message = body(&answer)["errors"][0]["message"].take();
        assert!(message.as_str().unwrap().starts_with("max-body-bytes is"));
    }
}

/// What is refused by its head alone is refused before its body comes.
#[tokio::test]
async fn a_refusal_does_not_wait_for_the_body() {
    let server = Server::start().await;
    for (headers, status) in [
        ("Content-Length: 9999999\r\n", 413),
        ("Content-Length: 10\r\nAccept: text/html\r\n", 406),
        ("Content-Length: 10\r\nContent-Encoding: gzip\r\n", 415),
    ] {
        let mut connection = Bare::open(&server).await;
        connection.send(head(headers)).await;
        let answer = connection.rest().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{status}: {answer}"
        );
    }
}
