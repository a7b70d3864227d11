//! Operations on a socket: their responses, their ends, and how many there may be.

use serde_json::{Value, json};

use super::{NEW, check_alive, check_closed, open, receive, subscribe};
use crate::{
    feed::after,
    support::{server::Server, ws::Ws},
};

/// The single error of an `error` message for this id.
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
async fn an_operation_refused_before_it_runs_gets_only_an_error() {
    let server = Server::with_flags(&["--anonymous", "read"]).await;
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
        let response = receive(&mut ws).await;
        assert_eq!(error(&response, &id)["extensions"]["code"], code);
        // Neither `next` nor `complete` follows.
        check_alive(&mut ws, NEW).await;
    }
}

#[tokio::test]
async fn a_failing_stream_ends_with_an_error() {
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
        let response = receive(&mut ws).await;
        assert_eq!(error(&response, "1")["extensions"]["code"], code);
        check_alive(&mut ws, NEW).await;
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
    // A failure during execution is a result.
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
async fn an_id_may_be_any_text() {
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
async fn a_completed_operation_is_silent_and_frees_its_id() {
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
        let mut received = receive(&mut ws).await;
        while received["payload"]["data"]["stepEvents"]["cursor"] != json!(written) {
            assert_eq!(
                (&received["id"], &received["type"]),
                (&json!("1"), &json!("next"))
            );
            from.clone_from(&written);
            received = receive(&mut ws).await;
        }
        ws.send(json!({ "id": "1", "type": "complete" })).await;
        client.set_state(stepid, "unheard").await;
        check_alive(&mut ws, NEW).await;
    }
    // Ending an operation that never ran, or that has ended, is no error.
    for id in ["1", "1", "never"] {
        ws.send(json!({ "id": id, "type": "complete" })).await;
    }
    check_alive(&mut ws, NEW).await;
}

/// Starts and ends an operation at once, many times: at most one response each, and none after its
/// end.
#[tokio::test]
async fn a_query_completed_by_the_client_gets_no_response() {
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
        let mut responses = 0;
        loop {
            let message = receive(&mut ws).await;
            if message["id"] == "q" {
                assert_ne!(message["type"], "error", "{message:#}");
                responses += 1;
            } else if message["type"] == "complete" {
                break;
            }
        }
        // Either it finished before its end arrived, or it was silent.
        assert!(responses == 0 || responses == 2, "{responses}");
    }
    check_alive(&mut ws, NEW).await;
}

#[tokio::test]
async fn a_slow_operation_does_not_delay_others() {
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
    // A mutation waits for a foreign transaction; events and queries do not.
    let sql = server.sql().await;
    let heard_before = client.set_state(stepid, "one").await;
    assert_eq!(
        receive(&mut ws).await["payload"]["data"]["stepEvents"]["cursor"],
        heard_before.as_str()
    );
    sql.block_writers().await;
    let slow = format!("mutation {{ newStep(buildid: {build}, name: \"slow\") {{ cursor }} }}");
    ws.send(subscribe("slow", &slow)).await;
    check_alive(&mut ws, NEW).await;
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
async fn an_operation_above_the_limit_is_refused_and_the_socket_stays() {
    let server =
        Server::with_flags(&["--anonymous", "write", "--max-socket-operations", "2"]).await;
    let mut ws = open(&server, NEW).await;
    let events = "subscription { stepEvents { cursor } }";
    for id in ["1", "2", "3"] {
        ws.send(subscribe(id, events)).await;
    }
    let response = receive(&mut ws).await;
    let refused = error(&response, "3");
    assert_eq!(refused["extensions"]["code"], "LIMIT_EXCEEDED");
    assert_eq!(refused["extensions"]["limit"], "max-socket-operations");
    assert_eq!(refused["extensions"]["max"], 2);
    // Ending one operation frees a slot.
    ws.send(json!({ "id": "1", "type": "complete" })).await;
    check_alive(&mut ws, NEW).await;
    ws.send(subscribe("3", events)).await;
    ws.send(subscribe("4", events)).await;
    error(&receive(&mut ws).await, "4");
    // A duplicate id is not judged by the limit.
    ws.send(subscribe("3", events)).await;
    check_closed(&mut ws, 4409, "3").await;
}

#[tokio::test]
async fn thousands_of_operations_run_on_one_socket() {
    let server = Server::start().await;
    let mut ws = open(&server, NEW).await;
    for i in 0..3_000 {
        let id = format!("{i}");
        ws.send(subscribe(&id, "subscription { stepEvents { cursor } }"))
            .await;
        ws.send(json!({ "id": id, "type": "complete" })).await;
    }
    check_alive(&mut ws, NEW).await;
}

/// A backfill of far more events than are written at once, beside another operation.
#[tokio::test]
async fn a_long_backfill_is_complete_and_delays_nobody() {
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
    let (mut received, mut is_answered) = ([0, 0], false);
    while received != [2_000, 2_000] || !is_answered {
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
        received[i] += 1;
    }
}
