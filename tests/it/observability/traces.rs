//! Traces over OTLP, sent to a collector in this process.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use serde_json::json;
use tokio::{net::TcpListener, sync::Mutex};

use crate::support::{client::Client, database::Database, process::Process};

const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const PARENT: u64 = 0x00f0_67aa_0ba9_02b7;
const VALUE: &str = "ein-wert-aus-der-anfrage";

/// A collector, and everything that it received.
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

/// Sends requests to a server that exports its traces to the collector, and stops it.
async fn ask(environment: &[(&str, &str)]) -> String {
    let database = Database::fresh().await;
    let (mut process, mut log) = Process::logging(&database, &[], environment).await;
    let client = Client::new(process.address);
    let query = "query Named($n: String!) { builder(name: $n) { builderid } }";
    let response = client
        .http
        .post(&client.url)
        .header("traceparent", format!("00-{TRACE:032x}-{PARENT:016x}-01"))
        .json(&json!({ "query": query, "variables": { "n": VALUE } }))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    process.signal("TERM").await;
    assert!(process.exit_status(Duration::from_secs(20)).await.success());
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut log, &mut text)
        .await
        .unwrap();
    text
}

#[tokio::test]
async fn spans_of_requests_operations_and_statements_have_no_values() {
    let (url, received) = collector().await;
    let log = ask(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]).await;
    let sent = received.lock().await;
    for what in [
        &b"request"[..],
        b"operation",
        b"Named",
        b"/graphql",
        b"sea_orm.stream",
        b"SELECT",
        b"buildbot-graphql",
        &TRACE.to_be_bytes(),
        &PARENT.to_be_bytes(),
    ] {
        assert!(
            contains(&sent, what),
            "not sent: {}",
            String::from_utf8_lossy(what)
        );
    }
    assert!(!contains(&sent, VALUE.as_bytes()), "a value was sent");
    // Spans go to the collector; the log is unchanged.
    assert!(!log.contains("sea_orm"), "{log}");
}

#[tokio::test]
async fn the_environment_names_the_service() {
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
async fn an_unresponsive_collector_does_no_harm() {
    // One collector refuses connections, the other accepts one and stays silent.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    for url in ["http://127.0.0.1:1", &silent, "no url at all"] {
        ask(&[("OTEL_EXPORTER_OTLP_ENDPOINT", url)]).await;
    }
}
