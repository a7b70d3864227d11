//! TLS: every transport works over it, SIGHUP reloads the certificate, and a client without a
//! handshake delays nobody.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use buildbot_graphql::testing::load_tls;
use futures_util::{SinkExt, StreamExt};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer},
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::support::{TIMEOUT, database::Database, process::Process, server::Server, wait_until};

/// A certificate and its key, in the files that a server is configured with.
struct Pair {
    dir: TempDir,
    cert: CertificateDer<'static>,
}

impl Pair {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let cert = write(dir.path());
        Self { dir, cert }
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    async fn server(&self, flags: &[&str]) -> Server {
        let (cert, key) = (self.file("cert.pem"), self.file("key.pem"));
        let tls = [
            "--anonymous",
            "write",
            "--tls-cert",
            &cert,
            "--tls-key",
            &key,
        ];
        Server::with_flags(&[&tls[..], flags].concat()).await
    }
}

/// Writes a new pair into a folder.
fn write(dir: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(dir.join("cert.pem"), cert.pem()).unwrap();
    fs::write(dir.join("key.pem"), signing_key.serialize_pem()).unwrap();
    cert.der().clone()
}

/// A connection to a server with this certificate.
async fn connect(
    address: SocketAddr,
    cert: &CertificateDer<'static>,
) -> Option<TlsStream<TcpStream>> {
    connect_with(&["http/1.1"], address, cert).await
}

/// The same for a client that speaks these protocols.
async fn connect_with(
    protocols: &[&str],
    address: SocketAddr,
    cert: &CertificateDer<'static>,
) -> Option<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(cert.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, tcp);
    timeout(TIMEOUT, connecting).await.unwrap().ok()
}

/// Posts an operation over an open connection, and returns what arrives up to this text.
async fn post(stream: &mut TlsStream<TcpStream>, accept: &str, query: &str, until: &str) -> String {
    let body = json!({ "query": query }).to_string();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: {accept}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    read_until(stream, until).await
}

async fn read_until(stream: &mut TlsStream<TcpStream>, wanted: &str) -> String {
    let mut all = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&all).contains(wanted) {
            assert!(stream.read_buf(&mut all).await.unwrap() > 0, "it ended");
        }
    };
    timeout(TIMEOUT, reading).await.unwrap();
    String::from_utf8(all).unwrap()
}

const TYPENAME: &str = r#"{"data":{"__typename":"Query"}}"#;

#[tokio::test]
async fn queries_sockets_and_streams_work_over_tls() {
    let pair = Pair::new();
    let server = pair.server(&[]).await;
    let mut stream = connect(server.address, &pair.cert).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let response = post(&mut stream, "application/json", "{ __typename }", TYPENAME).await;
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(
        response.contains("strict-transport-security: max-age="),
        "{response}"
    );

    let socket = connect(server.address, &pair.cert).await.unwrap();
    let mut request = "wss://localhost/graphql".into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert(
        "sec-websocket-protocol",
        HeaderValue::from_static("graphql-transport-ws"),
    );
    headers.insert("origin", HeaderValue::from_static("https://localhost"));
    let (mut ws, _) = client_async(request, socket).await.unwrap();
    let events = "subscription { stepEvents { step { name } } }";
    for message in [
        json!({ "type": "connection_init" }),
        json!({ "id": "1", "type": "subscribe", "payload": { "query": events } }),
        json!({ "type": "ping" }),
    ] {
        ws.send(Message::text(message.to_string())).await.unwrap();
    }
    let mut receive = async || loop {
        let message = timeout(TIMEOUT, ws.next()).await.unwrap().unwrap();
        if let Message::Text(text) = message.unwrap() {
            return serde_json::from_str::<Value>(&text).unwrap();
        }
    };
    assert_eq!(receive().await["type"], "connection_ack");
    assert_eq!(receive().await["type"], "pong");

    let mut listening = connect(server.address, &pair.cert).await.unwrap();
    let head = post(&mut listening, "text/event-stream", events, "\r\n\r\n").await;
    assert!(head.contains("text/event-stream"), "{head}");
    wait_until(async || server.handle.subscribers() >= 1).await;

    for query in [
        "mutation { findBuilder(name: \"b\") { builderid } }",
        "mutation { addBuild(builderid: 1) { build { buildid } } }",
        "mutation { newStep(buildid: 1, name: \"over-tls\") { cursor } }",
    ] {
        post(&mut stream, "application/json", query, r#"{"data":{"#).await;
    }
    let event = receive().await;
    assert_eq!(
        event["payload"]["data"]["stepEvents"]["step"]["name"],
        "over-tls"
    );
    read_until(&mut listening, "over-tls").await;
    // A stopping server ends them all.
    server.stop().await;
}

/// A client that speaks HTTP/2 gets it.
#[tokio::test]
async fn http_2_is_agreed_on_in_the_handshake() {
    let pair = Pair::new();
    let server = pair.server(&[]).await;
    for (protocols, agreed) in [
        (&["http/1.1", "h2"][..], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let stream = connect_with(protocols, server.address, &pair.cert)
            .await
            .unwrap();
        let found = stream.get_ref().1.alpn_protocol();
        assert_eq!(found, agreed.map(str::as_bytes), "{protocols:?}");
        if agreed != Some("h2") {
            continue;
        }
        let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = axum::http::Request::get("https://localhost/healthz")
            .body(())
            .unwrap();
        let (response, _) = requests.send_request(request, true).unwrap();
        let response = timeout(TIMEOUT, response).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.headers().contains_key("strict-transport-security"));
        connection.abort();
    }
}

#[tokio::test]
async fn a_missing_handshake_delays_nobody() {
    let pair = Pair::new();
    let server = pair.server(&["--read-timeout-seconds", "1"]).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut stream = connect(server.address, &pair.cert).await.unwrap();
    post(&mut stream, "application/json", "{ __typename }", TYPENAME).await;
    for connection in [&mut silent, &mut plain] {
        let mut rest = Vec::new();
        let reading = connection.read_to_end(&mut rest);
        let _ = timeout(TIMEOUT, reading).await.expect("it is not closed");
        assert!(!rest.starts_with(b"HTTP"), "it was answered in the open");
    }
    wait_until(async || server.handle.connections() == 1).await;
}

#[tokio::test]
async fn sighup_reloads_the_certificate() {
    let pair = Pair::new();
    let (cert, key) = (pair.file("cert.pem"), pair.file("key.pem"));
    let database = Database::fresh().await;
    let flags = ["--tls-cert", &*cert, "--tls-key", &*key];
    let server = Process::start(&database, &flags).await;
    let mut old = connect(server.address, &pair.cert).await.unwrap();

    let second = write(pair.dir.path());
    server.signal("HUP").await;
    wait_until(async || connect(server.address, &second).await.is_some()).await;
    assert!(connect(server.address, &pair.cert).await.is_none());
    // Existing connections are not disturbed.
    post(&mut old, "application/json", "{ __typename }", TYPENAME).await;

    for bad in ["nonsense", ""] {
        fs::write(&cert, bad).unwrap();
        server.signal("HUP").await;
        for _ in 0..10 {
            assert!(connect(server.address, &second).await.is_some(), "{bad}");
            sleep(TIMEOUT / 400).await;
        }
    }
    let third = write(pair.dir.path());
    server.signal("HUP").await;
    wait_until(async || connect(server.address, &third).await.is_some()).await;
}

#[tokio::test]
async fn sighup_stops_no_server() {
    let database = Database::fresh().await;
    let server = Process::start(&database, &[]).await;
    let url = format!("http://{}/healthz", server.address);
    for _ in 0..10 {
        server.signal("HUP").await;
        assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);
        sleep(TIMEOUT / 400).await;
    }
}

#[test]
fn mismatched_or_invalid_files_are_refused() {
    let (pair, other) = (Pair::new(), Pair::new());
    let load = |cert: &str, key: &str| load_tls(&["test", "--tls-cert", cert, "--tls-key", key]);
    let (cert, key) = (&pair.file("cert.pem"), &pair.file("key.pem"));
    assert!(load(cert, key).unwrap());
    for (bad_cert, bad_key, flag) in [
        (&pair.file("none.pem"), key, "--tls-cert"),
        (cert, &pair.file("none.pem"), "--tls-key"),
        (key, key, "--tls-cert"),
        (cert, cert, "--tls-key"),
        (cert, &other.file("key.pem"), "--tls-key"),
    ] {
        let refusal = load(bad_cert, bad_key).unwrap_err();
        assert!(refusal.starts_with(flag), "{refusal}");
        let secret = KeyPair::from_pem(&fs::read_to_string(key).unwrap()).unwrap();
        let secret = secret.serialize_pem();
        let secret = secret.lines().nth(1).unwrap();
        assert!(!refusal.contains(secret), "{refusal}");
    }
}
