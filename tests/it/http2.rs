//! HTTP/2 beside HTTP/1.1: the same answers, and the same deadlines and limits.

use axum::http::{Request, Response, StatusCode, request::Builder};
use h2::{
    Reason, RecvStream,
    client::{self, SendRequest},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{JoinHandle, yield_now},
    time::timeout,
};

use crate::support::{TIMEOUT, server::Server, wait_until};

const TYPENAME: &str = "{ __typename }";
const EVENTS: &str = "subscription { stepEvents(snapshot: true) { step { name } } }";
/// An answer of some hundred kilobytes.
const LARGE: &str = "{ __schema { types { name description fields { name description args { name description } } } } }";

/// A client with one connection.
struct Connection {
    requests: SendRequest<axum::body::Bytes>,
    /// Ends when the server has closed the connection.
    ended: JoinHandle<Result<(), h2::Error>>,
}

impl Connection {
    async fn with_window(server: &Server, window: u32) -> Self {
        let tcp = TcpStream::connect(server.address).await.unwrap();
        let mut builder = client::Builder::new();
        builder.initial_window_size(window);
        let (requests, connection) = builder.handshake(tcp).await.unwrap();
        let ended = tokio::spawn(connection);
        Self { requests, ended }
    }

    async fn open(server: &Server) -> Self {
        Self::with_window(server, 65_535).await
    }

    /// Sends a request, and the whole body if it is the end.
    async fn send(
        &mut self,
        request: Request<()>,
        body: &str,
        is_end: bool,
    ) -> client::ResponseFuture {
        let mut requests = self.requests.clone().ready().await.unwrap();
        let (response, mut sent) = requests.send_request(request, false).unwrap();
        sent.send_data(body.to_owned().into(), is_end).unwrap();
        if !is_end {
            // Dropping it would cancel the request.
            std::mem::forget(sent);
        }
        response
    }

    async fn post(&mut self, server: &Server, query: &str, accept: &str) -> Response<RecvStream> {
        let body = json!({ "query": query }).to_string();
        let request = request(server).header("accept", accept).body(()).unwrap();
        let response = self.send(request, &body, true).await;
        timeout(TIMEOUT, response).await.unwrap().unwrap()
    }

    async fn closed(self) -> Result<(), h2::Error> {
        drop(self.requests);
        timeout(TIMEOUT, self.ended)
            .await
            .expect("it stays open")
            .unwrap()
    }
}

fn request(server: &Server) -> Builder {
    let request = Request::post(format!("http://{}/graphql", server.address));
    request.header("content-type", "application/json")
}

async fn text(response: Response<RecvStream>) -> String {
    let mut body = response.into_body();
    let mut all = Vec::new();
    while let Some(data) = timeout(TIMEOUT, body.data())
        .await
        .expect("nothing in time")
    {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        all.extend(data);
    }
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn queries_and_streams_share_a_connection() {
    let server = Server::start().await;
    let build = server.client().add_build("b").await;
    server.client().new_step(build, "compile").await;
    let mut connection = Connection::open(&server).await;
    let mut events = connection.post(&server, EVENTS, "text/event-stream").await;
    let event = timeout(TIMEOUT, events.body_mut().data())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(std::str::from_utf8(&event).unwrap().contains("compile"));
    let response = connection.post(&server, TYPENAME, "application/json").await;
    assert_eq!(text(response).await, r#"{"data":{"__typename":"Query"}}"#);
    // A large answer arrives whole.
    let over_2 = text(connection.post(&server, LARGE, "application/json").await).await;
    let over_1 = server.client().execute(LARGE, json!({})).await;
    assert_eq!(serde_json::from_str::<Value>(&over_2).unwrap(), over_1);
    assert_eq!(connection.requests.current_max_send_streams(), 100);
}

#[tokio::test]
async fn a_page_is_compared_with_the_authority() {
    let server = Server::start().await;
    let mut connection = Connection::open(&server).await;
    for (origin, status) in [
        (format!("http://{}", server.address), StatusCode::OK),
        ("http://evil.example".to_owned(), StatusCode::FORBIDDEN),
    ] {
        let request = request(&server)
            .header("accept", "text/event-stream")
            .header("origin", origin);
        let body = json!({ "query": TYPENAME }).to_string();
        let response = connection
            .send(request.body(()).unwrap(), &body, true)
            .await;
        assert_eq!(response.await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Server::with_flags(&["--anonymous", "write", "--idle-timeout-seconds", "1"]).await;
    // Without a byte, with half a preface, and with half of a request's head.
    let half_a_head =
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x20\x01\0\0\0\0\x01\x82";
    for bytes in [&b""[..], b"PRI * HTTP/2.0\r\n", half_a_head] {
        let mut tcp = TcpStream::connect(server.address).await.unwrap();
        tcp.write_all(bytes).await.unwrap();
        let mut all = Vec::new();
        let reading = tcp.read_to_end(&mut all);
        let _ = timeout(TIMEOUT, reading).await.expect("it stays open");
    }
    let mut connection = Connection::open(&server).await;
    let response = connection.post(&server, TYPENAME, "application/json").await;
    text(response).await;
    let ended = timeout(TIMEOUT, &mut connection.ended)
        .await
        .expect("it stays open");
    ended.unwrap().unwrap();
    // A stream that is quiet for longer is not idle.
    let mut connection = Connection::open(&server).await;
    let quiet = "subscription { stepEvents { cursor } }";
    let mut events = connection.post(&server, quiet, "text/event-stream").await;
    let step = async {
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let build = server.client().add_build("b").await;
        server.client().new_step(build, "late").await;
    };
    step.await;
    let event = timeout(TIMEOUT, events.body_mut().data()).await.unwrap();
    assert!(
        std::str::from_utf8(&event.unwrap().unwrap())
            .unwrap()
            .contains("cursor")
    );
}

/// The client's windows are closed, so that no write ever blocks.
#[tokio::test]
async fn a_client_that_takes_nothing_of_an_answer_is_cut_off() {
    let server = Server::with_flags(&["--write-timeout-seconds", "1"]).await;
    for (window, query, accept) in [
        (0, TYPENAME, "application/json"),
        (10_000, LARGE, "application/json"),
        (0, EVENTS, "text/event-stream"),
    ] {
        let mut connection = Connection::with_window(&server, window).await;
        let _response = connection.post(&server, query, accept).await;
        let ended = timeout(TIMEOUT, &mut connection.ended)
            .await
            .expect("it stays open");
        let _ = ended.unwrap();
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_and_a_head_too_large_are_refused() {
    let server = Server::with_flags(&["--read-timeout-seconds", "1"]).await;
    let mut connection = Connection::open(&server).await;
    let late = connection
        .send(request(&server).body(()).unwrap(), "{", false)
        .await;
    let late = timeout(TIMEOUT, late).await.unwrap().unwrap();
    assert_eq!(late.status(), StatusCode::REQUEST_TIMEOUT);
    let large = request(&server)
        .header("x-large", "x".repeat(70_000))
        .body(())
        .unwrap();
    let large = connection.send(large, "{}", true).await;
    let large = timeout(TIMEOUT, large).await.unwrap();
    let status = large.map(|response| response.status());
    assert!(
        matches!(status, Ok(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)) || status.is_err(),
        "{status:?}"
    );
    // The server is well.
    let mut other = Connection::open(&server).await;
    let response = other.post(&server, TYPENAME, "application/json").await;
    assert_eq!(response.status(), StatusCode::OK);
}

/// Requests that are cancelled at once, each of which frees its place for the next.
#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let server = Server::start().await;
    let connection = Connection::open(&server).await;
    let attack = async {
        loop {
            yield_now().await;
            let mut requests = match connection.requests.clone().ready().await {
                Ok(requests) => requests,
                Err(error) => return error,
            };
            for _ in 0..100 {
                let sent = requests.send_request(request(&server).body(()).unwrap(), false);
                match sent {
                    Ok((_, mut sent)) => sent.send_reset(Reason::CANCEL),
                    Err(_) => break,
                }
            }
        }
    };
    let error = timeout(TIMEOUT, attack).await.expect("the attack goes on");
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM), "{error}");
    let mut other = Connection::open(&server).await;
    let response = other.post(&server, TYPENAME, "application/json").await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_stopping_server_says_goodbye() {
    let server = Server::start().await;
    let (mut busy, idle) = (
        Connection::open(&server).await,
        Connection::open(&server).await,
    );
    let events = busy.post(&server, EVENTS, "text/event-stream").await;
    wait_until(async || server.handle.subscribers() >= 1).await;
    server.handle.stop();
    // The body ends; it is not reset.
    text(events).await;
    busy.closed().await.unwrap();
    idle.closed().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn connections_are_counted_and_no_socket_opens_on_them() {
    let flags = ["--max-connections-per-address", "1"];
    let server = Server::with_flags(&flags).await;
    let mut connection = Connection::open(&server).await;
    connection.post(&server, TYPENAME, "application/json").await;
    let mut second = TcpStream::connect(server.address).await.unwrap();
    let read = timeout(TIMEOUT, second.read(&mut [0]))
        .await
        .expect("it stays open");
    assert!(matches!(read, Ok(0) | Err(_)));
    let upgrade = Request::get(format!("http://{}/graphql", server.address))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")
        .header("sec-websocket-protocol", "graphql-transport-ws");
    let mut requests = connection.requests.clone().ready().await.unwrap();
    let (response, _) = requests
        .send_request(upgrade.body(()).unwrap(), true)
        .unwrap();
    assert_eq!(response.await.unwrap().status(), StatusCode::BAD_REQUEST);
}
