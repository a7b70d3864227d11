//! Request smuggling: a request that two readers could end at different places is refused, and its
//! connection closed, or ends where RFC 9112 says. What stands in a body is never answered.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::support::{TIMEOUT, server::Server};

/// The request that an attacker would smuggle; its answer ends in `ok\n`.
const SMUGGLED: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LENGTH: &str = "Content-Length: 26\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
/// A query, as 26 bytes and in one chunk.
const BODY: &str = r#"{"query":"{ __typename }"}"#;
const CHUNKS: &str = "1a\r\n{\"query\":\"{ __typename }\"}\r\n0\r\n\r\n";

/// The start of a POST of a query, with these lines and this body.
fn post(lines: &str, body: &str) -> String {
    let head = "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    format!("{head}{lines}\r\n{body}")
}

/// A chunked POST whose only chunk is written like this.
fn chunk(start: &str, end: &str) -> String {
    post(CHUNKED, &format!("{start}{BODY}{end}"))
}

/// The statuses of all that the server answers to the request and the one after it, and how often
/// the latter was answered.
async fn answers(server: &Server, request: &str) -> (Vec<String>, usize, bool) {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    // The server may close the connection before everything is sent.
    let _ = socket.write_all(request.as_bytes()).await;
    let _ = socket.write_all(SMUGGLED.as_bytes()).await;
    let mut all = Vec::new();
    let reading = timeout(TIMEOUT / 20, socket.read_to_end(&mut all));
    let is_closed = reading.await.is_ok();
    let text = String::from_utf8_lossy(&all).into_owned();
    let starts = text.split("HTTP/1.").skip(1);
    let statuses = starts.map(|start| start[2..5].to_owned()).collect();
    (statuses, text.matches("ok\n").count(), is_closed)
}

#[tokio::test]
async fn an_ambiguous_request_is_refused_and_its_connection_closed() {
    let server = Server::start().await;
    for request in [
        post(&format!("Content-Length: 40\r\n{CHUNKED}"), "0\r\n\r\n"),
        post("Content-Length: 26\r\nContent-Length: 27\r\n", BODY),
        post("Content-Length: 26, 26\r\n", BODY),
        post("Content-Length: 26, 27\r\n", BODY),
        post("Content-Length: +26\r\n", BODY),
        post("Content-Length: -26\r\n", BODY),
        post("Content-Length: 0x1a\r\n", BODY),
        post("Content-Length: \r\n", BODY),
        post("Content-Length: 2 6\r\n", BODY),
        post("Content-Length: 18446744073709551642\r\n", BODY),
        post("Content-Length : 26\r\n", BODY),
        post("Transfer-Encoding: xchunked\r\n", CHUNKS),
        post("Transfer-Encoding: chunked, identity\r\n", CHUNKS),
        post("Transfer-Encoding: identity\r\n", CHUNKS),
        post(&format!("{CHUNKED}Transfer-Encoding: identity\r\n"), CHUNKS),
        post("Transfer-Encoding: \u{b}chunked\r\n", CHUNKS),
        post("Transfer-Encoding: \"chunked\"\r\n", CHUNKS),
        post("Transfer-Encoding: chunked;q=1\r\n", CHUNKS),
        post("Transfer-Encoding: chunked\0\r\n", CHUNKS),
        post("Transfer-Encoding : chunked\r\n", CHUNKS),
        post(" Transfer-Encoding: chunked\r\n", CHUNKS),
        post("Transfer-Encoding:\r\n chunked\r\n", CHUNKS),
        post("Content-Length: 26\r\nX: a\r\n b\r\n", BODY),
        post(&format!("X: a\r{CHUNKED}{LENGTH}"), BODY),
        post(&format!("X\0: a\r\n{LENGTH}"), BODY),
        post(&format!("X\r\n{LENGTH}"), BODY),
        post(&format!(": a\r\n{LENGTH}"), BODY),
        post(CHUNKED, CHUNKS).replace("HTTP/1.1", "HTTP/1.0"),
        chunk("1a;a\nb\r\n", "\r\n0\r\n\r\n"),
        chunk("1a\n", "\n0\n\n"),
        chunk("1000000000000001a\r\n", "\r\n0\r\n\r\n"),
        chunk("0x1a\r\n", "\r\n0\r\n\r\n"),
        chunk("-1a\r\n", "\r\n0\r\n\r\n"),
        chunk("+1a\r\n", "\r\n0\r\n\r\n"),
        chunk(" 1a\r\n", "\r\n0\r\n\r\n"),
        chunk("\r\n", "\r\n0\r\n\r\n"),
        chunk("1a\r\n", "xx\r\n0\r\n\r\n"),
        "GET /healthz\r\n".to_owned(),
        "GET /healthz\r\n\r\n".to_owned(),
        SMUGGLED.replace("1.1", "1.2"),
        SMUGGLED.replace("1.1", "3.0"),
        SMUGGLED.replace("\r\n", "\r"),
        SMUGGLED.replace(' ', "\t"),
        SMUGGLED.replacen(' ', "  ", 1),
        SMUGGLED.replace("/healthz", "/healthz /x"),
    ] {
        let (statuses, smuggled, is_closed) = answers(&server, &request).await;
        assert_eq!(statuses, ["400"], "{request:?}");
        assert!(smuggled == 0 && is_closed, "{request:?}");
    }
}

#[tokio::test]
async fn a_request_with_both_lengths_is_the_last_of_its_connection() {
    let server = Server::start().await;
    for lines in [
        format!("Content-Length: 36\r\n{CHUNKED}"),
        format!("{CHUNKED}Content-Length: 4\r\n"),
    ] {
        let (statuses, smuggled, is_closed) = answers(&server, &post(&lines, CHUNKS)).await;
        assert!(statuses == ["200"] || statuses == ["400"], "{statuses:?}");
        assert!(smuggled == 0 && is_closed, "{lines:?}");
    }
}

#[tokio::test]
async fn an_unusual_request_ends_where_the_rfc_says() {
    let server = Server::start().await;
    for request in [
        post(LENGTH, BODY),
        post(CHUNKED, CHUNKS),
        post(&LENGTH.repeat(2), BODY),
        post("Transfer-Encoding: CHUNKED\r\n", CHUNKS),
        post("Transfer-Encoding:\tchunked\r\n", CHUNKS),
        // Other names than those that mean something.
        post(&format!("Transfer_Encoding: chunked\r\n{LENGTH}"), BODY),
        post(&format!("Connection: Content-Length\r\n{LENGTH}"), BODY),
        chunk("1a;a=b\r\n", "\r\n0\r\n\r\n"),
        chunk("0000000000000000001a\r\n", "\r\n0\r\n\r\n"),
        // A trailer is no header.
        chunk(
            "1a\r\n",
            "\r\n0\r\nContent-Length: 50\r\nHost: other.example\r\n\r\n",
        ),
    ] {
        let (statuses, smuggled, _) = answers(&server, &request).await;
        assert_eq!(statuses, ["200", "200"], "{request:?}");
        assert_eq!(smuggled, 1, "{request:?}");
    }
    for request in [
        format!("\r\n\r\n{SMUGGLED}"),
        SMUGGLED.replace("/healthz", "http://localhost/healthz"),
        // HTTP/2 begins by prior knowledge or by ALPN, never so.
        SMUGGLED.replace(
            "\r\n\r\n",
            "\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        ),
    ] {
        let (statuses, smuggled, _) = answers(&server, &request).await;
        assert_eq!(statuses, ["200", "200"], "{request:?}");
        assert_eq!(smuggled, 2, "{request:?}");
    }
}

/// The request is refused or upgraded before its body is read, and what stands there is no request.
#[tokio::test]
async fn a_body_that_nobody_reads_is_not_answered() {
    let flags = ["--anonymous", "none"];
    let server = Server::with_flags(&flags).await;
    let length = SMUGGLED.len();
    let bearer = format!("Authorization: Bearer bbg_{}\r\n", "0".repeat(64));
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
               Sec-WebSocket-Protocol: graphql-transport-ws\r\n";
    for (start, lines, statuses) in [
        ("POST /graphql", "", ["401", "400"]),
        ("POST /graphql", bearer.as_str(), ["401", "400"]),
        (
            "POST /graphql",
            "Authorization: Basic eDp5\r\n",
            ["401", "400"],
        ),
        ("POST /graphql", "Accept: text/html\r\n", ["401", "406"]),
        ("GET /metrics", bearer.as_str(), ["401", "400"]),
        ("GET /api/v2/builds", bearer.as_str(), ["401", "400"]),
        ("POST /nothing", "", ["404", "400"]),
        ("GET /nothing", "", ["404", "400"]),
        ("DELETE /graphql", "", ["405", "401"]),
        ("GET /nothing", upgrade, ["404", "400"]),
        ("GET /graphql", &format!("{upgrade}{key}"), ["101", "400"]),
    ] {
        let lines =
            format!("Host: localhost\r\nContent-Type: application/json\r\n{lines}").to_owned();
        let framings = [
            (format!("Content-Length: {length}\r\n"), String::new()),
            (CHUNKED.to_owned(), format!("{length:x}\r\n")),
        ];
        for (framing, before) in framings {
            let request = format!("{start} HTTP/1.1\r\n{lines}{framing}\r\n{before}");
            let (found, smuggled, _) = answers(&server, &request).await;
            assert!(
                found.len() <= 1 && found.iter().all(|status| statuses.contains(&&**status)),
                "{request:?}: {found:?}"
            );
            assert_eq!(smuggled, 0, "{request:?}");
        }
    }
}

/// A chunk that is longer than memory is awaited, and allocates nothing.
#[tokio::test]
async fn a_chunk_of_any_size_is_only_announced() {
    let server = Server::start().await;
    let (statuses, smuggled, _) = answers(&server, &chunk("ffffffffffffffff\r\n", "")).await;
    assert!(statuses.is_empty() || statuses == ["413"], "{statuses:?}");
    assert_eq!(smuggled, 0);
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, stream]);
    frame.extend(payload);
    frame
}

/// The types and first bytes of the frames that answer the first stream, or end the connection.
async fn http2_answer(
    server: &Server,
    fields: &[(&str, &str)],
    body: Option<&str>,
) -> Vec<(u8, u8)> {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let mut block = Vec::new();
    for (name, value) in fields {
        // A literal that enters no table.
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(4, 0, 0, &[]));
    sent.extend(frame(1, 4 | u8::from(body.is_none()), 1, &block));
    sent.extend(body.map_or_else(Vec::new, |body| frame(0, 1, 1, body.as_bytes())));
    socket.write_all(&sent).await.unwrap();
    let mut found = Vec::new();
    let reading = async {
        loop {
            let mut head = [0; 9];
            if socket.read_exact(&mut head).await.is_err() {
                return;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            socket.read_exact(&mut payload).await.unwrap();
            let is_goaway = head[3] == 7;
            if head[8] == 1 || is_goaway {
                found.push((head[3], payload.first().copied().unwrap_or_default()));
                // What follows would follow at once.
                sleep(TIMEOUT / 400).await;
                return;
            }
        }
    };
    let _ = timeout(TIMEOUT, reading).await;
    found
}

const HEADERS_FRAME: u8 = 1;
/// The status 200 in HPACK's static table.
const OK: u8 = 0x88;

#[tokio::test]
async fn http2_takes_no_field_of_http1() {
    let server = Server::start().await;
    let pseudo = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/healthz"),
    ];
    let fine = http2_answer(&server, &pseudo, None).await;
    assert_eq!(fine, [(HEADERS_FRAME, OK)]);
    for field in [
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("X-Upper", "a"),
        ("x y", "a"),
        ("x:y", "a"),
        ("", "a"),
        ("x", "a\r\nx-injected: 1"),
        ("x", "a\nb"),
        ("x", "a\0b"),
        (":path", "/graphql"),
        (":x", "a"),
        (":status", "200"),
    ] {
        let fields = [&pseudo[..], &[field]].concat();
        let found = http2_answer(&server, &fields, None).await;
        assert_ne!(found, [(HEADERS_FRAME, OK)], "{field:?}");
        assert!(!found.is_empty(), "{field:?}");
    }
    // A pseudo header that is missing, stands behind a field, or holds another request.
    for fields in [
        [&pseudo[1..], &[]].concat(),
        [&pseudo[..3], &[]].concat(),
        [&[("x", "a")][..], &pseudo].concat(),
        [&pseudo[..3], &[(":path", "")]].concat(),
        [&pseudo[..3], &[(":path", "/healthz HTTP/1.1\r\nx: y")]].concat(),
        [&[(":method", "GET / HTTP/1.1\r\n")][..], &pseudo[1..]].concat(),
        [&pseudo[..2], &[(":authority", "a b\r\nx: y")], &pseudo[3..]].concat(),
    ] {
        let found = http2_answer(&server, &fields, None).await;
        assert_ne!(found, [(HEADERS_FRAME, OK)], "{fields:?}");
        assert!(!found.is_empty(), "{fields:?}");
    }
    // More or fewer bytes than announced.
    let post = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/graphql"),
        ("content-type", "application/json"),
    ];
    for length in ["25", "27", "26, 26", "+26", "0"] {
        let fields = [&post[..], &[("content-length", length)]].concat();
        let found = http2_answer(&server, &fields, Some(BODY)).await;
        assert_ne!(found, [(HEADERS_FRAME, OK)], "{length}");
        assert!(!found.is_empty(), "{length}");
    }
}
