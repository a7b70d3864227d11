//! What a replay sends: each event as it was sent live, whether the library executes it alone or
//! with those behind it, which it does where what is selected takes no more than the event.

use serde_json::{Value, json};

use crate::{
    feed::{after, backfill::add_rows, newest_cursor, next_events},
    support::{client::Client, server::Server, ws::Ws},
};

/// More than are executed at once, and a text longer than what is.
const ROWS: usize = 150;
const LONG: usize = 70_000;

/// What is selected of each type, and what takes more.
const STEP: &str = "cursor kind occurredAt step { stepid name stateString urls { name } $ }";
const BUILD: &str = "cursor kind occurredAt build { buildid number stateString }";

/// Writes events of every noun; returns how many.
async fn write(server: &Server, client: &Client) -> usize {
    let sql = server.sql().await;
    add_rows(&sql, ROWS, "'row'").await;
    client.add_build("of another").await;
    let long = "x".repeat(LONG);
    sql.run(&format!(
        "UPDATE steps SET state_string = '{long}' WHERE number = 10100"
    ))
    .await;
    sql.run("UPDATE builds SET state_string = 'told' WHERE id = 1")
        .await;
    // The builder, its build, the long text, the build.
    ROWS + 4
}

/// Events without what takes more.
async fn events(ws: &mut Ws, count: usize) -> Vec<Value> {
    let mut events = next_events(ws, count).await;
    for event in &mut events {
        if let Some(step) = event.get_mut("step").and_then(Value::as_object_mut) {
            step.remove("more");
        }
    }
    events
}

#[tokio::test]
async fn a_replayed_event_is_the_same_as_it_was_live() {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    let cursor = newest_cursor(&client).await;
    let document = |arguments: &str, more: &str| {
        format!(
            "events{arguments} {{ __typename ... on StepEvent {{ {} }} ... on BuildEvent {{ {BUILD} }} \
             ... on BuilderEvent {{ cursor builder {{ name }} }} ... on CaughtUp {{ at: cursor }} }}",
            STEP.replace('$', more)
        )
    };
    let mut live = server.ws().await;
    live.subscribe_to(&document(&after(&cursor), "")).await;
    assert_eq!(live.event().await["__typename"], "CaughtUp");
    let count = write(&server, &client).await;
    let live = events(&mut live, count).await;
    let nouns = live
        .iter()
        .filter(|event| event["__typename"] != "StepEvent");
    assert_eq!(nouns.count(), 3);
    for more in ["", "more: build { number }"] {
        for at in [None, Some(0), Some(63), Some(64), Some(99), Some(count - 1)] {
            let from = at.map_or(&json!(cursor), |at| &live[at]["cursor"]).clone();
            let mut ws = server.ws().await;
            ws.subscribe_to(&document(&after(from.as_str().unwrap()), more))
                .await;
            let behind = &live[at.map_or(0, |at| at + 1)..];
            let replayed = events(&mut ws, behind.len()).await;
            assert!(replayed == behind, "{more:?} from {at:?}: {replayed:#?}");
            let newest = live.last().unwrap();
            let end = json!({ "__typename": "CaughtUp", "at": newest["cursor"] });
            assert_eq!(ws.event().await, end, "{more:?} from {at:?}");
        }
    }
}

#[tokio::test]
async fn an_event_that_fails_fails_alone() {
    let server = Server::with_flags(&["--anonymous", "write", "--max-text-bytes", "5000"]).await;
    let client = server.client();
    client.add_build("b").await;
    let cursor = newest_cursor(&client).await;
    let sql = server.sql().await;
    add_rows(&sql, 100, "'row'").await;
    let long = "x".repeat(6_000);
    sql.run(&format!(
        "UPDATE steps SET state_string = '{long}' WHERE number IN (10030, 10031)"
    ))
    .await;
    client.new_step(1, "last").await;
    let mut ws = server.ws().await;
    let document = format!(
        "stepEvents{} {{ step {{ name stateString }} }}",
        after(&cursor)
    );
    ws.subscribe_to(&document).await;
    for at in 0..103 {
        let payload = ws.receive().await["payload"].take();
        let event = &payload["data"]["stepEvents"]["step"];
        if at == 100 || at == 101 {
            let code = &payload["errors"][0]["extensions"]["code"];
            assert_eq!(code, "LIMIT_EXCEEDED", "{at}: {payload}");
        } else {
            let name = if at == 102 {
                "last".to_owned()
            } else {
                format!("row-{at}")
            };
            assert_eq!(event["name"], json!(name), "{payload}");
            assert_eq!(payload.get("errors"), None, "{payload}");
        }
    }
}

#[tokio::test]
async fn a_builder_that_is_gone_fails_alone() {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("kept").await;
    let cursor = newest_cursor(&client).await;
    for name in ["one", "two", "three"] {
        let add = format!("mutation {{ findBuilder(name: {name:?}) {{ builderid }} }}");
        client.data(&add, json!({})).await;
    }
    let sql = server.sql().await;
    sql.run("DELETE FROM builders WHERE name = 'two'").await;
    let mut ws = server.ws().await;
    let document = format!(
        "events{} {{ ... on BuilderEvent {{ kind builder {{ name }} }} }}",
        after(&cursor)
    );
    ws.subscribe_to(&document).await;
    for expected in ["one", "two", "three"] {
        let payload = ws.receive().await["payload"].take();
        if expected == "two" {
            let code = &payload["errors"][0]["extensions"]["code"];
            assert_eq!(code, "NOT_FOUND", "{payload}");
        } else {
            let event = json!({ "kind": "NEW", "builder": { "name": expected } });
            assert_eq!(payload["data"]["events"], event, "{payload}");
        }
    }
}
