//! Subscriptions on a socket: both subprotocols, several at once, and ending one of them.

use serde_json::{Value, json};

use crate::{
    feed::{after, newest_cursor},
    support::{client::Client, server::Server, ws::Ws},
};

/// The message types of a subprotocol.
struct Words {
    protocol: &'static str,
    begin: &'static str,
    event: &'static str,
    end: &'static str,
}

const NEW: Words = Words {
    protocol: "graphql-transport-ws",
    begin: "subscribe",
    event: "next",
    end: "complete",
};

const OLD: Words = Words {
    protocol: "graphql-ws",
    begin: "start",
    event: "data",
    end: "stop",
};

/// The next message other than a keep-alive, which may arrive at any time.
async fn receive(ws: &mut Ws) -> Value {
    loop {
        let message = ws.receive().await;
        if message["type"] != "ka" {
            return message;
        }
    }
}

impl Words {
    async fn connect(&self, server: &Server) -> Ws {
        let mut ws = Ws::open(server.address, self.protocol).await.unwrap();
        ws.send(json!({ "type": "connection_init" })).await;
        assert_eq!(ws.receive().await["type"], "connection_ack");
        ws
    }

    async fn begin(&self, ws: &mut Ws, id: &str, arguments: &str) {
        let query =
            format!("subscription {{ stepEvents{arguments} {{ cursor step {{ stepid }} }} }}");
        ws.send(json!({ "id": id, "type": self.begin, "payload": { "query": query } }))
            .await;
    }

    /// The next event: its subscription's id and its cursor.
    async fn event(&self, ws: &mut Ws) -> (String, String) {
        let message = receive(ws).await;
        assert_eq!(message["type"], self.event, "{message:#}");
        let cursor = &message["payload"]["data"]["stepEvents"]["cursor"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&message["id"]), text(cursor))
    }
}

async fn started() -> (Server, Client, i64, String) {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, cursor) = client.new_step(build, "s").await;
    (server, client, stepid, cursor)
}

async fn check_independent_subscriptions(words: Words) {
    let (server, client, stepid, start) = started().await;
    let mut ws = words.connect(&server).await;
    words.begin(&mut ws, "a", &after(&start)).await;
    words.begin(&mut ws, "b", &after(&start)).await;
    for _ in 0..5 {
        let written = client.set_state(stepid, "busy").await;
        let mut received = [words.event(&mut ws).await, words.event(&mut ws).await];
        received.sort();
        let both = ["a", "b"].map(|id| (id.to_owned(), written.clone()));
        assert_eq!(received, both);
    }
    ws.send(json!({ "id": "a", "type": words.end })).await;
    // The response to a later request comes after the end took effect: from here on "a" is silent.
    let query = json!({ "query": "{ eventCursor }" });
    ws.send(json!({ "id": "q", "type": words.begin, "payload": query }))
        .await;
    let mut open = 1;
    while open > 0 {
        let message = receive(&mut ws).await;
        open -= i32::from(message["id"] == "q" && message["type"] == "complete");
    }
    for _ in 0..5 {
        let written = client.set_state(stepid, "busy").await;
        assert_eq!(words.event(&mut ws).await, ("b".to_owned(), written));
    }
    // The id is free again.
    let from = newest_cursor(&client).await;
    words.begin(&mut ws, "a", &after(&from)).await;
    let written = client.set_state(stepid, "again").await;
    let mut received = [words.event(&mut ws).await, words.event(&mut ws).await];
    received.sort();
    assert_eq!(
        received,
        ["a", "b"].map(|id| (id.to_owned(), written.clone()))
    );
}

#[tokio::test]
async fn graphql_transport_ws_ends_one_subscription_without_the_other() {
    check_independent_subscriptions(NEW).await;
}

#[tokio::test]
async fn graphql_ws_ends_one_subscription_without_the_other() {
    check_independent_subscriptions(OLD).await;
}

#[tokio::test]
async fn an_error_ends_its_subscription_alone() {
    let (server, client, stepid, start) = started().await;
    for words in [NEW, OLD] {
        let mut ws = words.connect(&server).await;
        words
            .begin(&mut ws, "good", &after(&newest_cursor(&client).await))
            .await;
        let both = format!("(after: {start:?}, snapshot: true)");
        words.begin(&mut ws, "bad", &both).await;
        // The error is the end: nothing else arrives for this subscription.
        let message = receive(&mut ws).await;
        assert_eq!(
            (&message["id"], &message["type"]),
            (&json!("bad"), &json!("error")),
            "{message:#}"
        );
        let payload = &message["payload"];
        let error = if words.protocol == NEW.protocol {
            &payload[0]
        } else {
            payload
        };
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
        let written = client.set_state(stepid, "busy").await;
        assert_eq!(words.event(&mut ws).await, ("good".to_owned(), written));
    }
}

#[tokio::test]
async fn each_subscription_of_a_socket_has_its_own_filter_and_start() {
    let (server, client, stepid, start) = started().await;
    let mut ws = NEW.connect(&server).await;
    let missed = client.set_state(stepid, "missed").await;
    NEW.begin(&mut ws, "replayed", &after(&start)).await;
    assert_eq!(NEW.event(&mut ws).await, ("replayed".to_owned(), missed));
    NEW.begin(&mut ws, "shown", "(snapshot: true)").await;
    let cursor = newest_cursor(&client).await;
    assert_eq!(NEW.event(&mut ws).await, ("shown".to_owned(), cursor));
    let filtered = format!(r"(after: {start:?}, where: {{ kinds: [FINISHED] }})");
    NEW.begin(&mut ws, "filtered", &filtered).await;
    let query = "mutation($s: Int!) { finishStep(stepid: $s, results: SUCCESS) { cursor } }";
    let data = client.data(query, json!({ "s": stepid })).await;
    let finished = data["finishStep"]["cursor"].as_str().unwrap();
    let mut received = Vec::new();
    for _ in 0..3 {
        received.push(NEW.event(&mut ws).await);
    }
    received.sort();
    let all = ["filtered", "replayed", "shown"].map(|id| (id.to_owned(), finished.to_owned()));
    assert_eq!(received, all);
}
