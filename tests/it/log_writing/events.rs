//! The events of logs in the one feed, and which filters pass them.

use serde_json::{Value, json};

use super::{LOG, add_log, append, with_step, write};
use crate::{
    feed::{newest_cursor, next_events},
    support::{server::Server, ws::Ws},
};

async fn hear(server: &Server, arguments: &str) -> Ws {
    let mut ws = server.ws().await;
    let event = format!("__typename cursor kind ... on LogEvent {{ log {{ {LOG} }} }}");
    ws.subscribe_to(&format!("events({arguments}) {{ {event} }}"))
        .await;
    ws
}

#[tokio::test]
async fn each_update_makes_one_event_with_the_updated_log() {
    let (server, client) = with_step(&[]).await;
    let start = newest_cursor(&client).await;
    let arguments = format!("after: {start:?}, where: {{ types: [LOG] }}");
    let mut live = hear(&server, &arguments).await;
    assert_eq!(live.event().await["kind"], "CAUGHT_UP");
    let mut told = Vec::new();
    for (kind, field) in [
        ("NEW", r#"addLog(stepid: 1, name: "stdio")"#),
        ("UPDATED", r#"appendLog(logid: 1, content: "a\nb")"#),
        ("UPDATED", r#"appendLog(logid: 1, content: "c")"#),
        ("FINISHED", "finishLog(logid: 1)"),
        // The same again is still a finish.
        ("FINISHED", "finishLog(logid: 1)"),
    ] {
        let payload = write(&client, field).await;
        told.push(json!({
            "__typename": "LogEvent", "cursor": payload["cursor"], "kind": kind,
            "log": payload["log"]
        }));
    }
    assert_eq!(next_events(&mut live, told.len()).await, told);
    let mut replayed = hear(&server, &arguments).await;
    assert_eq!(next_events(&mut replayed, told.len()).await, told);
    assert_eq!(told[2]["log"]["numLines"], 3);
    assert_eq!(replayed.event().await["kind"], "CAUGHT_UP");
    assert_eq!(
        newest_cursor(&client).await,
        told[4]["cursor"].as_str().unwrap()
    );
}

/// Which of the logs pass, live and replayed.
async fn logs_that_pass(server: &Server, start: &str, filter: &str) -> Vec<i64> {
    let arguments = format!("after: {start:?}, where: {{ {filter} }}");
    let mut ws = hear(server, &arguments).await;
    let mut ids = Vec::new();
    loop {
        let event = ws.event().await;
        match event["__typename"].as_str() {
            Some("LogEvent") => ids.push(event["log"]["logid"].as_i64().unwrap()),
            Some("CaughtUp") => return ids,
            // The step and build that a filter passes too.
            _ => ids.push(0),
        }
    }
}

#[tokio::test]
async fn filters_by_log_step_build_and_builder() {
    let (server, client) = with_step(&[]).await;
    let start = newest_cursor(&client).await;
    let other = client.add_build("other").await;
    client.new_step(other, "test").await;
    add_log(&client, "one").await;
    add_log(&client, "two").await;
    write(&client, r#"addLog(stepid: 2, name: "three")"#).await;
    append(&client, 2, "x").await;
    write(&client, "finishLog(logid: 3)").await;
    for (filter, ids) in [
        ("logid: 2", &[2, 2][..]),
        ("stepid: 1", &[1, 2, 2]),
        ("stepid: 2, types: [LOG]", &[3, 3]),
        // With its step.
        ("stepid: 2", &[0, 3, 3]),
        ("buildid: 1", &[1, 2, 2]),
        ("buildid: 2, types: [LOG]", &[3, 3]),
        ("buildid: 1, logid: 3", &[]),
        ("builderid: 2, types: [LOG]", &[3, 3]),
        (r#"builderName: "b", types: [LOG]"#, &[1, 2, 2]),
        ("types: [LOG], complete: true", &[3]),
        ("types: [LOG], kinds: [NEW]", &[1, 2, 3]),
        ("types: [STEP]", &[0]),
    ] {
        assert_eq!(
            logs_that_pass(&server, &start, filter).await,
            ids,
            "{filter}"
        );
    }
}

#[tokio::test]
async fn live_filters_pass_what_a_replay_does() {
    let (server, client) = with_step(&[]).await;
    client.new_step(1, "test").await;
    add_log(&client, "one").await;
    write(&client, r#"addLog(stepid: 2, name: "two")"#).await;
    let mut heard = Vec::new();
    for filter in [
        "logid: 2",
        "stepid: 2",
        "buildid: 1",
        "builderid: 1",
        "types: [LOG]",
    ] {
        let start = newest_cursor(&client).await;
        let mut ws = hear(&server, &format!("after: {start:?}, where: {{ {filter} }}")).await;
        assert_eq!(ws.event().await["kind"], "CAUGHT_UP", "{filter}");
        heard.push((filter, ws));
    }
    append(&client, 1, "not for all").await;
    let cursor = append(&client, 2, "for all").await["cursor"].clone();
    for (filter, mut ws) in heard {
        let mut event = ws.event().await;
        if event["log"]["logid"] == 1 {
            assert!(!matches!(filter, "logid: 2" | "stepid: 2"), "{filter}");
            event = ws.event().await;
        }
        assert_eq!(event["cursor"], cursor, "{filter}");
    }
}

#[tokio::test]
async fn a_snapshot_shows_the_logs_that_match() {
    let (server, client) = with_step(&[]).await;
    let other = client.add_build("other").await;
    client.new_step(other, "test").await;
    add_log(&client, "one").await;
    add_log(&client, "two").await;
    write(&client, r#"addLog(stepid: 2, name: "three")"#).await;
    write(&client, "finishLog(logid: 1)").await;
    for (filter, ids) in [
        ("types: [LOG]", &[1, 2, 3][..]),
        ("types: [LOG], complete: false", &[2, 3]),
        ("types: [LOG], complete: true", &[1]),
        ("logid: 2", &[2]),
        ("stepid: 1, types: [LOG]", &[1, 2]),
        ("buildid: 2, types: [LOG]", &[3]),
        (r#"builderName: "other", types: [LOG]"#, &[3]),
    ] {
        let mut ws = hear(&server, &format!("snapshot: true, where: {{ {filter} }}")).await;
        let mut found = Vec::new();
        loop {
            let event = ws.event().await;
            match event["kind"].as_str() {
                Some("SNAPSHOT") => found.push(event["log"]["logid"].as_i64().unwrap()),
                _ => break,
            }
        }
        assert_eq!(found, ids, "{filter}");
    }
}

/// A write from outside of the server is heard alike.
#[tokio::test]
async fn other_writers_are_heard() {
    let (server, client) = with_step(&[]).await;
    let start = newest_cursor(&client).await;
    let mut ws = hear(
        &server,
        &format!("after: {start:?}, where: {{ types: [LOG] }}"),
    )
    .await;
    assert_eq!(ws.event().await["kind"], "CAUGHT_UP");
    let sql = server.sql().await;
    for statement in [
        "INSERT INTO logs (name, slug, stepid, complete, num_lines, type) VALUES ('l', 'l', 1, 0, 0, 's')",
        "UPDATE logs SET num_lines = 5",
        "UPDATE logs SET complete = 1",
        "UPDATE logs SET type = 'd'",
    ] {
        sql.run(statement).await;
    }
    let events = next_events(&mut ws, 4).await;
    let seen: Vec<Value> = events
        .iter()
        .map(|e| json!([e["kind"], e["log"]["numLines"], e["log"]["type"]]))
        .collect();
    assert_eq!(
        seen,
        [
            json!(["NEW", 0, "STDIO"]),
            json!(["UPDATED", 5, "STDIO"]),
            json!(["FINISHED", 5, "STDIO"]),
            json!(["UPDATED", 5, "DELETED"]),
        ]
    );
}
