//! Operations on a socket: what is answered, what ends them, and how many there may be.

use serde_json::{Value, json};

use super::{NEW, closes, is_alive, open, receive, subscribe};
use crate::{
    feed::after,
    support::{server::Server, ws::Ws},
};

/// The only error of an `error` message for this id.
fn error<'a>(message: &'a Value, id: &str) -> &'a Value {
    assert_eq!(
        (&message["id"], &message["type"]),
        (&json!(id), &json!("error")),
        "{message:#}"
    );
    let errors = message["payload"].as_array().expect("an array of errors");
    assert_eq!(errors.len(), 1, "{message:#}");
    assert!(errors[0]["message"].is_string(), "{message:#}");
    &errors[0]
}

#[tokio::test]
async fn what_is_refused_before_it_runs_is_an_error_and_nothing_else() {
    let server = Server::with(&["--anonymous", "read"]).await;
    let mut ws = open(&server, NEW).await;
    let variables = json!({ "id": "v", "type": "subscribe", "payload": {
        "query": "query($b: Int!) { build(buildid: $b) { number } }", "variables": { "b": "x" },
    } });
    for (message, code) in [
        (subscribe("p", "{"), "GRAPHQL_PARSE_FAILED"),
        (subscribe("p", ""), "GRAPHQL_PARSE_FAILED"),
        (subscribe("f", "{ nothing }"), "GRAPHQL_VALIDATION_FAILED"),
        (
            subscribe("s", "subscription { nothing }"),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            subscribe("s", "subscription { stepEvents { nothing } }"),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (variables, "GRAPHQL_VALIDATION_FAILED"),
    ] {
        let id = message["id"].as_str().unwrap().to_owned();
        ws.send(message).await;
        let answer = receive(&mut ws).await;
        assert_eq!(error(&answer, &id)["extensions"]["code"], code);
        // Neither `next` nor `complete` follows.
        is_alive(&mut ws, NEW).await;
    }
}

#[tokio::test]
async fn a_stream_that_fails_ends_in_an_error() {
    let server = Server::start().await;
    let mut ws = open(&server, NEW).await;
    for (arguments, code) in [
        ("(after: \"0000000000000000\")", "BAD_USER_INPUT"),
        (
            "(after: \"00000000000000000000000f\", snapshot: true)",
            "BAD_USER_INPUT",
        ),
        ("(after: \"00000000000000000000000f\")", "CURSOR_EXPIRED"),
    ] {
        let query = format!("subscription {{ stepEvents{arguments} {{ cursor }} }}");
        ws.send(subscribe("1", &query)).await;
        let answer = receive(&mut ws).await;
        assert_eq!(error(&answer, "1")["extensions"]["code"], code);
        is_alive(&mut ws, NEW).await;
    }
}

#[tokio::test]
async fn queries_and_mutations_give_next_and_complete() {
    let server = Server::start().await;
    let mut ws = open(&server, NEW).await;
    let write = "mutation A { findBuilder(name: \"b\") { builderid } } query B { __typename }";
    for (name, data) in [
        ("A", json!({ "findBuilder": { "builderid": 1 } })),
        ("B", json!({ "__typename": "Query" })),
    ] {
        let payload =
            json!({ "query": write, "operationName": name, "extensions": {}, "variables": null });
        ws.send(json!({ "id": name, "type": "subscribe", "payload": payload }))
            .await;
        let next = json!({ "id": name, "type": "next", "payload": { "data": data } });
        assert_eq!(receive(&mut ws).await, next);
        assert_eq!(
            receive(&mut ws).await,
            json!({ "id": name, "type": "complete" })
        );
    }
    // What fails while it runs is a result.
    ws.send(subscribe(
        "f",
        "mutation { addBuild(builderid: 9) { build { number } } }",
    ))
    .await;
    let next = receive(&mut ws).await;
    assert_eq!(next["type"], "next");
    assert_eq!(
        next["payload"]["errors"][0]["extensions"]["code"],
        "NOT_FOUND"
    );
    assert_eq!(receive(&mut ws).await["type"], "complete");
}

#[tokio::test]
async fn an_id_is_text_that_may_hold_anything() {
    let server = Server::start().await;
    let mut ws = open(&server, NEW).await;
    for id in ["\"", "\\", "a\nb", "\u{0}", "ü💥", &"x".repeat(256)] {
        ws.send(subscribe(id, "{ __typename }")).await;
        assert_eq!(
            receive(&mut ws).await,
            json!({ "id": id, "type": "next", "payload": { "data": { "__typename": "Query" } } })
        );
        assert_eq!(
            receive(&mut ws).await,
            json!({ "id": id, "type": "complete" })
        );
    }
}

#[tokio::test]
async fn what_the_client_ends_is_silent_and_its_id_is_free() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, start) = client.new_step(build, "s").await;
    let mut ws = open(&server, NEW).await;
    let events = format!(
        "subscription {{ stepEvents{} {{ cursor }} }}",
        after(&start)
    );
    let mut from = start.clone();
    for _ in 0..5 {
        ws.send(subscribe("1", &events)).await;
        let written = client.set_state(stepid, "busy").await;
        let mut heard = receive(&mut ws).await;
        while heard["payload"]["data"]["stepEvents"]["cursor"] != json!(written) {
            assert_eq!(
                (&heard["id"], &heard["type"]),
                (&json!("1"), &json!("next"))
            );
            from.clone_from(&written);
            heard = receive(&mut ws).await;
        }
        ws.send(json!({ "id": "1", "type": "complete" })).await;
        client.set_state(stepid, "unheard").await;
        is_alive(&mut ws, NEW).await;
    }
    // Ends of what does not run, and of what was ended already, are no mistake.
    for id in ["1", "1", "never"] {
        ws.send(json!({ "id": id, "type": "complete" })).await;
    }
    is_alive(&mut ws, NEW).await;
}

/// Begun and ended without a pause between, many times: at most one answer each, and none once it was ended.
#[tokio::test]
async fn an_unfinished_query_that_is_ended_answers_nothing() {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    let mut ws = open(&server, NEW).await;
    let query = "{ builds { nodes { number builder { name } steps { name } } } }";
    for i in 0..50 {
        ws.send(subscribe("q", query)).await;
        ws.send(json!({ "id": "q", "type": "complete" })).await;
        let marker = format!("{i}");
        ws.send(subscribe(&marker, "{ __typename }")).await;
        let mut answers = 0;
        loop {
            let message = receive(&mut ws).await;
            if message["id"] == "q" {
                assert_ne!(message["type"], "error", "{message:#}");
                answers += 1;
            } else if message["type"] == "complete" {
                break;
            }
        }
        // Either it was quicker than its end, and whole, or it was silent.
        assert!(answers == 0 || answers == 2, "{answers}");
    }
    is_alive(&mut ws, NEW).await;
}

#[tokio::test]
async fn a_slow_operation_holds_no_other() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, start) = client.new_step(build, "s").await;
    let mut ws = open(&server, NEW).await;
    let events = format!(
        "subscription {{ stepEvents{} {{ cursor }} }}",
        after(&start)
    );
    ws.send(subscribe("events", &events)).await;
    // A mutation of another process's transaction has to wait; events and queries do not.
    let sql = server.sql().await;
    let heard_before = client.set_state(stepid, "one").await;
    assert_eq!(
        receive(&mut ws).await["payload"]["data"]["stepEvents"]["cursor"],
        heard_before.as_str()
    );
    sql.hold_writers().await;
    let slow = format!("mutation {{ newStep(buildid: {build}, name: \"slow\") {{ cursor }} }}");
    ws.send(subscribe("slow", &slow)).await;
    is_alive(&mut ws, NEW).await;
    sql.run("UPDATE steps SET state_string = 'two'").await;
    sql.run("COMMIT").await;
    let mut left = vec![json!("event"), json!("next"), json!("complete")];
    while !left.is_empty() {
        let message = receive(&mut ws).await;
        let kind = if message["id"] == "events" {
            json!("event")
        } else {
            message["type"].clone()
        };
        left.retain(|l| *l != kind);
    }
}

#[tokio::test]
async fn one_operation_more_than_allowed_is_refused_and_the_socket_stays() {
    let server = Server::with(&["--anonymous", "write", "--max-socket-operations", "2"]).await;
    let mut ws = open(&server, NEW).await;
    let events = "subscription { stepEvents { cursor } }";
    for id in ["1", "2", "3"] {
        ws.send(subscribe(id, events)).await;
    }
    let answer = receive(&mut ws).await;
    let refused = error(&answer, "3");
    assert_eq!(refused["extensions"]["code"], "LIMIT_EXCEEDED");
    assert_eq!(refused["extensions"]["limit"], "max-socket-operations");
    assert_eq!(refused["extensions"]["max"], 2);
    // One ended makes room for one.
    ws.send(json!({ "id": "1", "type": "complete" })).await;
    is_alive(&mut ws, NEW).await;
    ws.send(subscribe("3", events)).await;
    ws.send(subscribe("4", events)).await;
    error(&receive(&mut ws).await, "4");
    // The limit is not what a used id is judged by.
    ws.send(subscribe("3", events)).await;
    closes(&mut ws, 4409, "3").await;
}

#[tokio::test]
async fn thousands_come_and_go_on_one_socket() {
    let server = Server::start().await;
    let mut ws = open(&server, NEW).await;
    for i in 0..3_000 {
        let id = format!("{i}");
        ws.send(subscribe(&id, "subscription { stepEvents { cursor } }"))
            .await;
        ws.send(json!({ "id": id, "type": "complete" })).await;
    }
    is_alive(&mut ws, NEW).await;
}

/// A replay of far more events than are written at once, beside another operation.
#[tokio::test]
async fn a_long_replay_comes_whole_and_holds_nobody() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (_, start) = client.new_step(build, "s").await;
    let sql = server.sql().await;
    let many = "UPDATE steps SET state_string = 'busy'; ".repeat(2_000);
    sql.run(&format!("BEGIN; {many} COMMIT")).await;
    let mut ws: Ws = open(&server, NEW).await;
    let events = format!(
        "subscription {{ stepEvents{} {{ cursor }} }}",
        after(&start)
    );
    ws.send(subscribe("1", &events)).await;
    ws.send(subscribe("2", &events)).await;
    ws.send(subscribe("q", "{ __typename }")).await;
    let mut at = [start.clone(), start];
    let (mut heard, mut is_answered) = ([0, 0], false);
    while heard != [2_000, 2_000] || !is_answered {
        let message = receive(&mut ws).await;
        if message["id"] == "q" {
            is_answered |= message["type"] == "complete";
            continue;
        }
        let i = usize::from(message["id"] == "2");
        let cursor = message["payload"]["data"]["stepEvents"]["cursor"].as_str();
        let cursor = cursor.unwrap_or_else(|| panic!("{message:#}"));
        assert!(at[i].as_str() < cursor, "{cursor} behind {}", at[i]);
        cursor.clone_into(&mut at[i]);
        heard[i] += 1;
    }
}
