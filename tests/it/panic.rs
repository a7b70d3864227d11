//! A resolver that panics: its operation fails with INTERNAL and a request id, nothing is written,
//! and the connection goes on.

use std::{
    collections::HashMap,
    panic,
    sync::{
        Arc, Once,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use buildbot_graphql::testing::{Clock, OnStatement};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    feed::{after, newest_cursor},
    observability::metrics::samples,
    support::{TIMEOUT, server::Server, wait_until, ws::Ws},
};

const QUERY: &str = "{ builder(builderid: 1) { name } }";
const METRIC: &str = r#"errors_total{code="INTERNAL"}"#;

/// The text of the panics here. The panic hook does not print it.
const TEXT: &str = "a panic of the test";

/// A server in which one statement panics once it is armed.
struct PanickingServer {
    server: Server,
    armed: Arc<AtomicBool>,
}

impl PanickingServer {
    /// A server with a builder and a build, in which a statement with all these words panics.
    async fn start(words: &'static [&'static str]) -> Self {
        silence();
        let armed = Arc::new(AtomicBool::new(false));
        let on_statement: OnStatement = {
            let armed = armed.clone();
            Box::new(move |sql| {
                let matches = words.iter().all(|word| sql.contains(word));
                let fires = matches && !sql.contains("graphql_") && armed.swap(false, SeqCst);
                assert!(!fires, "{TEXT}");
            })
        };
        let flags = ["--anonymous", "write"];
        let server = Server::build(&flags, None, Clock::System, Some(on_statement)).await;
        assert_eq!(server.client().add_build("b").await, 1);
        Self { server, armed }
    }

    fn arm(&self) {
        self.armed.store(true, SeqCst);
    }

    /// Checks that the statement has panicked.
    fn check_fired(&self) {
        assert!(!self.armed.load(SeqCst), "no statement has panicked");
    }
}

/// Keeps the panics of these tests out of the output.
fn silence() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload_as_str() != Some(TEXT) {
                print(info);
            }
        }));
    });
}

/// Posts an operation over an open connection: the status, the headers and the body.
async fn post(
    connection: &mut TcpStream,
    operation: &str,
) -> (String, HashMap<String, String>, Value) {
    let body = json!({ "query": operation }).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(TIMEOUT, connection.read_u8()).await.unwrap();
        head.push(byte.expect("the connection was closed without a response"));
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().to_owned();
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    timeout(TIMEOUT, connection.read_exact(&mut body))
        .await
        .unwrap()
        .unwrap();
    (status, headers, serde_json::from_slice(&body).unwrap())
}

/// The single error of a response without data, which must be INTERNAL.
fn internal_error(response: &Value) -> &Value {
    assert!(response["data"].is_null(), "{response:#}");
    let errors = response["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{response:#}");
    assert_eq!(errors[0]["message"], "internal error");
    assert_eq!(errors[0]["extensions"]["code"], "INTERNAL");
    &errors[0]
}

/// The next message other than a keep-alive.
async fn receive(ws: &mut Ws) -> Value {
    loop {
        let message = ws.receive().await;
        if message["type"] != "ka" {
            return message;
        }
    }
}

/// Checks that a message ends an operation with one of these codes and a request id.
fn check_error_message(message: &Value, id: &str, codes: &[&str]) {
    assert_eq!(message["type"], "error", "{message:#}");
    assert_eq!(message["id"], id);
    // A list in graphql-transport-ws, a single error in the legacy subprotocol.
    let error = message["payload"].get(0).unwrap_or(&message["payload"]);
    let code = error["extensions"]["code"].as_str().unwrap();
    assert!(codes.contains(&code), "{message:#}");
    let request_id = error["extensions"]["requestId"].as_str();
    assert!(request_id.is_some_and(|id| !id.is_empty()), "{message:#}");
}

#[tokio::test]
async fn a_panicking_query_is_internal_and_the_connection_goes_on() {
    let panicking = PanickingServer::start(&["SELECT", "builders"]).await;
    let client = panicking.server.client();
    let before = samples(&client).await;
    let mut connection = TcpStream::connect(panicking.server.address).await.unwrap();
    panicking.arm();
    let (status, headers, body) = post(&mut connection, QUERY).await;
    panicking.check_fired();
    assert_eq!(status, "HTTP/1.1 200 OK");
    let request_id = &internal_error(&body)["extensions"]["requestId"];
    assert_eq!(*request_id, headers["x-request-id"].as_str());

    let (status, _, body) = post(&mut connection, QUERY).await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(body, json!({ "data": { "builder": { "name": "b" } } }));
    let after = samples(&client).await;
    let count = |samples: &std::collections::BTreeMap<String, f64>| {
        samples.get(METRIC).copied().unwrap_or_default()
    };
    assert!(count(&after) > count(&before), "{after:#?}");
}

#[tokio::test]
async fn a_panicking_mutation_writes_nothing() {
    let panicking = PanickingServer::start(&["INSERT INTO", "steps"]).await;
    let client = panicking.server.client();
    let start = newest_cursor(&client).await;
    panicking.arm();
    let add = "mutation { newStep(buildid: 1, name: \"s\") { step { number name } } }";
    let response = client.execute(add, json!({})).await;
    panicking.check_fired();
    internal_error(&response);
    let steps = "{ steps { totalCount } eventCursor }";
    let data = client.data(steps, json!({})).await;
    assert_eq!(data["steps"]["totalCount"], 0);
    assert_eq!(data["eventCursor"], start);

    let data = client.data(add, json!({})).await;
    assert_eq!(data["newStep"]["step"], json!({ "number": 0, "name": "s" }));
}

#[tokio::test]
async fn a_panicking_operation_leaves_its_socket_open() {
    for (protocol, start, result) in [
        ("graphql-transport-ws", "subscribe", "next"),
        ("graphql-ws", "start", "data"),
    ] {
        let panicking = PanickingServer::start(&["SELECT", "builders"]).await;
        let address = panicking.server.address;
        let mut ws = Ws::open(address, protocol).await.unwrap();
        ws.send(json!({ "type": "connection_init" })).await;
        assert_eq!(receive(&mut ws).await["type"], "connection_ack");
        panicking.arm();
        ws.send(json!({ "id": "1", "type": start, "payload": { "query": QUERY } }))
            .await;
        // The operation had begun, so it ends as any whose fields have failed.
        let message = receive(&mut ws).await;
        panicking.check_fired();
        assert_eq!(
            (&message["id"], &message["type"]),
            (&json!("1"), &json!(result))
        );
        let error = internal_error(&message["payload"]);
        assert!(error["extensions"]["requestId"].is_string(), "{error:#}");
        assert_eq!(receive(&mut ws).await["type"], "complete");

        ws.send(json!({ "id": "2", "type": start, "payload": { "query": QUERY } }))
            .await;
        let message = receive(&mut ws).await;
        assert_eq!(
            (&message["id"], &message["type"]),
            (&json!("2"), &json!(result))
        );
        assert_eq!(message["payload"]["data"]["builder"]["name"], "b");
        assert_eq!(receive(&mut ws).await["type"], "complete");
    }
}

#[tokio::test]
async fn a_panicking_event_ends_its_subscription_alone() {
    let panicking = PanickingServer::start(&["SELECT", "builders"]).await;
    let server = &panicking.server;
    let client = server.client();
    let (stepid, _) = client.new_step(1, "s").await;
    let mut ws = server.ws().await;
    let subscription = async |id: &str| {
        let arguments = after(&newest_cursor(&client).await);
        let fields = "cursor step { build { builder { name } } }";
        let query = format!("subscription {{ stepEvents{arguments} {{ {fields} }} }}");
        json!({ "id": id, "type": "subscribe", "payload": { "query": query } })
    };
    ws.send(subscription("1").await).await;
    wait_until(async || server.handle.shared_subscriptions() == 1).await;
    let written = client.set_state(stepid, "before").await;
    let event = ws.event().await;
    assert_eq!(event["cursor"], written);
    assert_eq!(event["step"]["build"]["builder"]["name"], "b");

    panicking.arm();
    client.set_state(stepid, "panics").await;
    check_error_message(&ws.receive().await, "1", &["INTERNAL", "UNAVAILABLE"]);
    panicking.check_fired();

    ws.send(json!({ "id": "2", "type": "subscribe", "payload": { "query": QUERY } }))
        .await;
    let message = ws.receive().await;
    assert_eq!(message["id"], "2");
    assert_eq!(message["payload"]["data"]["builder"]["name"], "b");
    assert_eq!(ws.receive().await["type"], "complete");
    ws.send(subscription("3").await).await;
    let written = client.set_state(stepid, "after").await;
    let message = ws.receive().await;
    assert_eq!(message["id"], "3");
    assert_eq!(message["payload"]["data"]["stepEvents"]["cursor"], written);
}
