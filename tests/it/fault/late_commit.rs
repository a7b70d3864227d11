//! A transaction that writes its event early and commits late, one that never commits, and one that
//! locks what the feed needs. None of these exists on SQLite, which has one writer at a time.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::{
    feed::{after, newest_cursor, position},
    support::{
        client::Client,
        database::{Kind, kind},
        server::Server,
    },
};

#[tokio::test]
async fn a_late_commit_is_delivered_late() {
    if kind() == Kind::Sqlite {
        return;
    }
    let server = Server::start().await;
    let (client, foreign) = (server.client(), server.sql().await);
    let build = client.add_build("b").await;
    let (early, _) = client.new_step(build, "early").await;
    let (lost, _) = client.new_step(build, "lost").await;
    let start = newest_cursor(&client).await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(&start)).await;
    let never = server.sql().await;
    never.run("BEGIN").await;
    never
        .run(&format!(
            "UPDATE steps SET state_string = 'never' WHERE id = {lost}"
        ))
        .await;
    foreign.run("BEGIN").await;
    foreign
        .run(&format!(
            "UPDATE steps SET state_string = 'at last' WHERE id = {early}"
        ))
        .await;
    // Nobody waits for the open transactions.
    let mut expected = Vec::new();
    for i in 0..5 {
        expected.push(client.new_step(build, &format!("s{i}")).await.1);
    }
    for cursor in &expected {
        assert_eq!(ws.event().await["cursor"], cursor.as_str());
    }
    foreign.run("COMMIT").await;
    let late = ws.event().await;
    assert_eq!(late["step"]["stateString"], "at last");
    never.run("ROLLBACK").await;
    let (_, after_all) = client.new_step(build, "after-all").await;
    assert_eq!(ws.event().await["cursor"], after_all.as_str());
    // Neither transaction leaves a gap.
    let positions: Vec<i64> = [&late["cursor"], &json!(after_all)].map(position).to_vec();
    let first = position(&json!(start)) + 1;
    assert_eq!(positions, [first + 5, first + 6]);
    // A subscriber that resumes from an earlier cursor receives the same events.
    let mut again = server.ws().await;
    again.subscribe(&after(&start)).await;
    for position_now in first..=first + 6 {
        assert_eq!(position(&again.event().await["cursor"]), position_now);
    }
}

#[tokio::test]
async fn a_snapshot_repeats_no_change() {
    if kind() == Kind::Sqlite {
        return;
    }
    let server = Server::start().await;
    let (client, foreign, holder) = (server.client(), server.sql().await, server.sql().await);
    let build = client.add_build("b").await;
    let (stepid, _) = client.new_step(build, "s").await;
    // A live subscriber makes the server keep the newest events in memory.
    let mut other = server.ws().await;
    other.subscribe("(snapshot: true)").await;
    assert_eq!(other.event().await["kind"], "SNAPSHOT");
    holder.run("BEGIN").await;
    holder
        .rows("SELECT json_array(position) AS json FROM graphql_feed FOR UPDATE")
        .await;
    foreign
        .run(&format!(
            "UPDATE steps SET state_string = 'shown' WHERE id = {stepid}"
        ))
        .await;
    let mut ws = server.ws().await;
    ws.subscribe("(snapshot: true)").await;
    // Long enough for the snapshot to be read and to wait for the positions of its rows.
    sleep(Duration::from_millis(500)).await;
    holder.run("COMMIT").await;
    let shown = ws.event().await;
    assert_eq!(shown["kind"], "SNAPSHOT");
    assert_eq!(shown["step"]["stateString"], "shown");
    let next = client.set_state(stepid, "next").await;
    assert_eq!(ws.event().await["cursor"], next.as_str());
    // The subscriber that was live before receives both events.
    assert_eq!(other.event().await["step"]["stateString"], "shown");
    assert_eq!(other.event().await["cursor"], next.as_str());
}

/// The value of a metric.
async fn metric(client: &Client, name: &str) -> f64 {
    let url = client.url.replace("/graphql", "/metrics");
    let text = client.http.get(url).send().await.unwrap();
    let text = text.text().await.unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("buildbot_graphql_{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
        .parse()
        .unwrap()
}

async fn readyz(client: &Client) -> u16 {
    let url = client.url.replace("/graphql", "/readyz");
    client.http.get(url).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_blocked_feed_shows_in_metrics_and_readiness() {
    if kind() == Kind::Sqlite {
        return;
    }
    let flags = [
        "--anonymous",
        "write",
        "--busy-seconds",
        "2",
        "--feed-stale-seconds",
        "1",
    ];
    let server = Server::with_flags(&flags).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, start) = client.new_step(build, "s").await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(&start)).await;
    let received = client.set_state(stepid, "heard").await;
    assert_eq!(ws.event().await["cursor"], received.as_str());
    let foreign = server.sql().await;
    foreign.run("BEGIN").await;
    foreign
        .rows("SELECT json_array(position) AS json FROM graphql_feed FOR UPDATE")
        .await;
    let set = format!(
        "mutation {{ setStepStateString(stepid: {stepid}, stateString: \"late\") {{ cursor }} }}"
    );
    let (code, message) = client.error(&set, json!({})).await;
    assert_eq!(code, "OUTCOME_UNKNOWN");
    assert!(message.starts_with("this is written"), "{message}");
    let (code, cursor) = ws.stream_error().await;
    assert_eq!(
        (code.as_str(), cursor),
        ("UNAVAILABLE", Some(received.clone()))
    );
    let mut ws = server.ws().await;
    ws.subscribe(&after(&received)).await;
    while readyz(&client).await == 200 {
        sleep(Duration::from_millis(20)).await;
    }
    assert!(metric(&client, "feed_lag_seconds").await >= 1.0);
    foreign.run("COMMIT").await;
    // A resuming subscriber receives the one change once, as soon as it has its position. Until
    // the feed has been read, it may be told again that it could be out of date.
    let (mut ws, event) = loop {
        let mut ws = server.ws().await;
        ws.subscribe(&after(&received)).await;
        match ws.receive_or_interruption().await {
            Ok(message) => break (ws, message["payload"]["data"]["stepEvents"].clone()),
            Err(interruption) => {
                assert_eq!(
                    interruption,
                    ("UNAVAILABLE".to_owned(), Some(received.clone()))
                );
            }
        }
    };
    assert_eq!(event["step"]["stateString"], "late");
    let next = client.set_state(stepid, "next").await;
    assert_eq!(ws.event().await["cursor"], next.as_str());
    while readyz(&client).await != 200 {
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_subscription_that_cannot_begin_says_where_to_begin_later() {
    if kind() != Kind::Postgres {
        return;
    }
    let flags = ["--anonymous", "write", "--busy-seconds", "1"];
    let server = Server::with_flags(&flags).await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "s").await;
    let newest = newest_cursor(&client).await;
    let mut idle = server.ws().await;
    let foreign = server.sql().await;
    foreign
        .run("BEGIN; LOCK TABLE graphql_events IN ACCESS EXCLUSIVE MODE")
        .await;
    // One that begins is told so, and its socket stays.
    idle.subscribe("").await;
    let message = idle.receive().await;
    assert_eq!(message["type"], "error", "{message:#}");
    let extensions = &message["payload"][0]["extensions"];
    assert_eq!(extensions["code"], "UNAVAILABLE");
    assert_eq!(extensions["cursor"], newest.as_str());
    // One that resumes is to try again by itself.
    let mut resuming = server.ws().await;
    resuming.subscribe(&after(&newest)).await;
    let interruption = resuming.receive_or_interruption().await.unwrap_err();
    assert_eq!(
        interruption,
        ("UNAVAILABLE".to_owned(), Some(newest.clone()))
    );
    foreign.run("COMMIT").await;
    idle.subscribe(&after(&newest)).await;
    let next = client.new_step(build, "next").await.1;
    assert_eq!(idle.event().await["cursor"], next.as_str());
}
