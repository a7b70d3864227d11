//! Live events: what makes an event, its kind, and how a query's cursor and the feed fit together.

use std::collections::BTreeSet;

use buildbot_graphql::testing::Clock;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{STEP, after, event_log, newest_cursor, next_events, write_until_live};
use crate::support::{client::Client, server::Server};

/// Runs a mutation of one field that returns a `StepPayload`: the payload with the whole step.
async fn mutate(client: &Client, field: &str) -> Value {
    let query = format!("mutation {{ {field} {{ cursor step {{ {STEP} }} }} }}");
    let mut data = client.data(&query, json!({})).await;
    data.as_object_mut()
        .unwrap()
        .values_mut()
        .next()
        .unwrap()
        .take()
}

#[tokio::test]
async fn a_subscription_without_a_start_begins_now() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "before").await;
    let (marker, _) = client.new_step(build, "marker").await;
    let mut ws = server.ws().await;
    ws.subscribe("").await;
    // This also proves that no earlier event is delivered.
    write_until_live(&mut ws, &client, marker).await;
    let (stepid, cursor) = client.new_step(build, "since").await;
    let event = ws.event().await;
    assert_eq!(event["cursor"], cursor.as_str());
    assert_eq!(event["kind"], "NEW");
    assert_eq!(event["step"]["stepid"], stepid);
    assert_eq!(event["step"]["name"], "since");
}

#[tokio::test]
async fn each_update_makes_one_event_with_the_updated_step() {
    // The clock stands still, so that repeated updates fall into the same second.
    let flags = ["--anonymous", "write"];
    let server = Server::build(&flags, None, Clock::fixed(1_800_000_000), None).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let start = newest_cursor(&client).await;
    let url = r#"(stepid: 1, name: "log", url: "http://localhost/log")"#;
    let updates = [
        ("NEW", format!(r#"newStep(buildid: {build}, name: "s")"#)),
        ("STARTED", "startStep(stepid: 1)".into()),
        ("STARTED", "startStep(stepid: 1)".into()),
        (
            "STARTED",
            "startStep(stepid: 1, locksAcquired: true)".into(),
        ),
        ("UPDATED", "setStepLocksAcquiredAt(stepid: 1)".into()),
        ("UPDATED", "setStepLocksAcquiredAt(stepid: 1)".into()),
        (
            "UPDATED",
            "setStepLocksAcquiredAt(stepid: 1, locksAcquiredAt: 1800000007)".into(),
        ),
        (
            "UPDATED",
            r#"setStepStateString(stepid: 1, stateString: "half")"#.into(),
        ),
        (
            "UPDATED",
            r#"setStepStateString(stepid: 1, stateString: "half")"#.into(),
        ),
        ("UPDATED", format!("addStepURL{url}")),
        ("UPDATED", format!("addStepURL{url}")),
        ("FINISHED", "finishStep(stepid: 1, results: SUCCESS)".into()),
        ("FINISHED", "finishStep(stepid: 1, results: SUCCESS)".into()),
        (
            "FINISHED",
            "finishStep(stepid: 1, results: FAILURE, hidden: true)".into(),
        ),
        (
            "UPDATED",
            r#"setStepStateString(stepid: 1, stateString: "late")"#.into(),
        ),
        ("UPDATED", format!("addStepURL{url}")),
        ("STARTED", "startStep(stepid: 1)".into()),
        (
            "STARTED",
            "startStep(stepid: 1, startedAt: 1800000001)".into(),
        ),
        ("FINISHED", "finishStep(stepid: 1, results: RETRY)".into()),
    ];
    // One subscriber receives live what the other gets by backfill.
    let query = format!(
        "subscription {{ stepEvents{} {{ cursor kind step {{ {STEP} }} }} }}",
        after(&start)
    );
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": { "query": query } });
    let mut live = server.ws().await;
    live.send(subscribe.clone()).await;
    let mut payloads = Vec::new();
    for (kind, field) in &updates {
        let payload = mutate(&client, field).await;
        payloads
            .push(json!({ "cursor": payload["cursor"], "kind": kind, "step": payload["step"] }));
    }
    let mut replayed = server.ws().await;
    replayed.send(subscribe).await;
    for (ws, who) in [(&mut live, "live"), (&mut replayed, "replayed")] {
        for (payload, (_, field)) in payloads.iter().zip(&updates) {
            assert_eq!(ws.event().await, *payload, "{who}: {field}");
        }
    }
    assert_eq!(payloads[0]["step"]["stateString"], "pending");
    assert_eq!(payloads[10]["step"]["urls"].as_array().unwrap().len(), 1);
    assert_eq!(payloads[13]["step"]["results"], "FAILURE");
    let rows = event_log(&server.sql().await, 0).await;
    assert_eq!(rows.len(), updates.len(), "one event per update: {rows:#?}");
}

#[tokio::test]
async fn a_refused_update_makes_no_event() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, start) = client.new_step(build, "s").await;
    for field in [
        r#"newStep(buildid: 99, name: "s")"#.to_owned(),
        format!(r#"newStep(buildid: {build}, name: "not a name")"#),
        "startStep(stepid: 99)".to_owned(),
        format!(r#"addStepURL(stepid: {stepid}, name: "x", url: "javascript:1")"#),
    ] {
        client
            .error(&format!("mutation {{ {field} {{ cursor }} }}"), json!({}))
            .await;
    }
    assert_eq!(newest_cursor(&client).await, start);
    let mut ws = server.ws().await;
    ws.subscribe(&after(&start)).await;
    let next = client.set_state(stepid, "next").await;
    assert_eq!(ws.event().await["cursor"], next.as_str());
}

#[tokio::test]
async fn all_subscribers_receive_the_same_events() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let start = newest_cursor(&client).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        let mut ws = server.ws().await;
        ws.subscribe(&after(&start)).await;
        all.push(ws);
    }
    let mut payloads = Vec::new();
    for i in 0..20 {
        let (stepid, cursor) = client.new_step(build, &format!("s{i}")).await;
        payloads.push(cursor);
        payloads.push(client.set_state(stepid, "busy").await);
    }
    for ws in &mut all {
        let received = next_events(ws, payloads.len()).await;
        let cursors: Vec<&str> = received
            .iter()
            .map(|e| e["cursor"].as_str().unwrap())
            .collect();
        assert_eq!(cursors, payloads);
    }
}

#[tokio::test]
async fn a_subscription_has_at_most_one_start() {
    let server = Server::start().await;
    let start = newest_cursor(&server.client()).await;
    let mut ws = server.ws().await;
    ws.subscribe(&format!("(after: {start:?}, snapshot: true)"))
        .await;
    assert_eq!(ws.stream_error().await.0, "BAD_USER_INPUT");
}

/// Adds steps until stopped, and returns their ids.
async fn add_steps(client: Client, build: i64, stop: CancellationToken) -> BTreeSet<i64> {
    let mut added = BTreeSet::new();
    while !stop.is_cancelled() {
        added.insert(client.new_step(build, "s").await.0);
    }
    added
}

#[tokio::test]
async fn a_query_and_the_events_after_its_cursor_miss_nothing() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let stop = CancellationToken::new();
    let writer = tokio::spawn(add_steps(client.clone(), build, stop.clone()));
    // The cursor comes last in the document, hidden as well as possible, and must still be from
    // before the steps were read. Each step is written once, so that a gap shows as a missing step.
    let of = format!("shown: build(buildid: {build}) {{ steps {{ stepid }} }}");
    let queries = [
        format!("{{ {of} eventCursor }}"),
        format!("{{ {of} at: eventCursor }}"),
        format!("{{ {of} ... on Query {{ eventCursor }} }}"),
        format!(
            "{{ {of} ...F }} fragment F on Query {{ ...G }} fragment G on Query {{ at: eventCursor }}"
        ),
    ];
    let mut shown = Vec::new();
    for query in queries.iter().cycle().take(24) {
        let data = client.data(query, json!({})).await;
        let cursor = [&data["at"], &data["eventCursor"]]
            .into_iter()
            .find_map(Value::as_str);
        let cursor = cursor.unwrap_or_else(|| panic!("no cursor: {query}\n{data:#}"));
        let steps = data["shown"]["steps"].as_array().unwrap();
        let steps: BTreeSet<i64> = steps
            .iter()
            .map(|s| s["stepid"].as_i64().unwrap())
            .collect();
        let mut ws = server.ws().await;
        ws.subscribe(&after(cursor)).await;
        shown.push((query, steps, ws));
    }
    stop.cancel();
    let mut all = writer.await.unwrap();
    let (last, end) = client.new_step(build, "last").await;
    all.insert(last);
    for (query, mut steps, mut ws) in shown {
        loop {
            let event = ws.event().await;
            steps.insert(event["step"]["stepid"].as_i64().unwrap());
            if event["cursor"] == end.as_str() {
                break;
            }
        }
        assert_eq!(steps, all, "{query}");
    }
}
