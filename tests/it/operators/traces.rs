//! Traces by OTLP, sent to a collector in this process.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use serde_json::json;
use tokio::{net::TcpListener, sync::Mutex};

use crate::support::{client::Client, database::Database, process::Process};

const TRACE: [u8; 16] = *b"\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36";
const PARENT: [u8; 8] = *b"\x00\xf0\x67\xaa\x0b\xa9\x02\xb7";
const VALUE: &str = "ein-wert-aus-der-anfrage";

/// A collector, and all that it was sent.
async fn collector() -> (String, Arc<Mutex<Vec<u8>>>) {
    let received = Arc::new(Mutex::new(Vec::new()));
    let kept = received.clone();
    let take = async move |headers: HeaderMap, body: Bytes| {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        kept.lock().await.extend_from_slice(&body);
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().route("/v1/traces", post(take));
    tokio::spawn(async { axum::serve(listener, routes).await });
    (url, received)
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Asks a server that sends its traces there, and stops it.
async fn ask(environment: &[(&str, &str)]) -> String {
    let database = Database::fresh().await;
    let (mut process, mut log) = Process::logging(&database, &[], environment).await;
    let client = Client::new(process.address);
    let query = "query Named($n: String!) { builder(name: $n) { builderid } }";
    let answer = client
        .http
        .post(&client.url)
        .header(
            "traceparent",
            format!("00-{}-{}-01", hex(&TRACE), hex(&PARENT)),
        )
        .json(&json!({ "query": query, "variables": { "n": VALUE } }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    process.signal("TERM").await;
    assert!(process.ended(Duration::from_secs(20)).await.success());
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut log, &mut text)
        .await
        .unwrap();
    text
}

#[tokio::test]
async fn a_request_its_operation_and_its_statements_are_sent_without_values() {
    let (url, received) = collector().await;
    let log = ask(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]).await;
    let sent = received.lock().await;
    for what in [
        &b"request"[..],
        b"operation",
        b"Named",
        b"/graphql",
        b"sea_orm.query_all",
        b"SELECT",
        b"buildbot-graphql",
        &TRACE,
        &PARENT,
    ] {
        assert!(
            contains(&sent, what),
            "not sent: {}",
            String::from_utf8_lossy(what)
        );
    }
    assert!(!contains(&sent, VALUE.as_bytes()), "a value was sent");
    // Spans are for the collector; the log has what it had.
    assert!(!log.contains("sea_orm"), "{log}");
}

#[tokio::test]
async fn the_service_has_the_name_that_the_environment_gives() {
    let (url, received) = collector().await;
    ask(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("OTEL_SERVICE_NAME", "another-name"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment=of-the-test",
        ),
    ])
    .await;
    let sent = received.lock().await;
    assert!(contains(&sent, b"another-name") && contains(&sent, b"of-the-test"));
}

#[tokio::test]
async fn a_collector_that_does_not_answer_harms_nothing() {
    // Nobody listens there; and one who takes a connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    for url in ["http://127.0.0.1:1", &silent, "no url at all"] {
        ask(&[("OTEL_EXPORTER_OTLP_ENDPOINT", url)]).await;
    }
}
