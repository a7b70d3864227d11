//! Old logs go, as Buildbot's janitor drops them.

use serde_json::json;

use super::{LOG, add_log, append, chunks, texts, with_step, write};
use crate::{
    feed::newest_cursor,
    support::{client::Client, wait_until},
};

const EACH_SECOND: [&str; 2] = ["--feed-prune-seconds", "1"];

async fn types(client: &Client) -> Vec<String> {
    let query = "{ build(buildid: 1) { steps { logs { type } } } }";
    let data = client.data(query, json!({})).await;
    let steps = data["build"]["steps"].as_array().unwrap();
    let logs = steps
        .iter()
        .flat_map(|step| step["logs"].as_array().unwrap());
    logs.map(|log| log["type"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_logs_of_steps_that_began_long_ago_go() {
    let flags = [&EACH_SECOND[..], &["--log-days", "2"]].concat();
    let (server, client) = with_step(&flags).await;
    client.new_step(1, "young").await;
    client.new_step(1, "not-begun").await;
    for step in 1..=3 {
        write(&client, &format!("addLog(stepid: {step}, name: \"l\")")).await;
        append(&client, step, "x\ny").await;
    }
    write(&client, "finishLog(logid: 1)").await;
    client
        .data("mutation { startStep(stepid: 2) { cursor } }", json!({}))
        .await;
    let start = newest_cursor(&client).await;
    let mut ws = server.ws().await;
    ws.subscribe_to(&format!(
        "events(after: {start:?}, where: {{ types: [LOG] }}) {{ kind ... on LogEvent {{ log {{ {LOG} }} }} }}"
    ))
    .await;
    assert_eq!(ws.event().await["kind"], "CAUGHT_UP");
    let sql = server.sql().await;
    sql.run("UPDATE steps SET started_at = 1000000000 WHERE id = 1")
        .await;
    let event = ws.event().await;
    assert_eq!(event["kind"], "UPDATED");
    assert_eq!(
        event["log"],
        json!({ "logid": 1, "stepid": 1, "name": "l", "slug": "l", "type": "DELETED",
            "complete": true, "numLines": 2 })
    );
    wait_until(async || chunks(&sql, 1).await.is_empty()).await;
    assert_eq!(types(&client).await, ["DELETED", "STDIO", "STDIO"]);
    assert_eq!(texts(&client, 2).await, ["x", "y"]);
    // A step that is older than those that were looked at, by its place and its time.
    sql.run("UPDATE steps SET started_at = 1000000000 WHERE id = 2")
        .await;
    wait_until(async || types(&client).await == ["DELETED", "DELETED", "STDIO"]).await;
}

#[tokio::test]
async fn the_oldest_finished_logs_go_where_all_take_too_much() {
    let flags = [&EACH_SECOND[..], &["--log-bytes", "1000"]].concat();
    let (server, client) = with_step(&flags).await;
    let sql = server.sql().await;
    // The first is not finished, so it stays.
    for n in 1..=4 {
        add_log(&client, &n.to_string()).await;
        let digit = |i: i64| char::from_digit(u32::try_from((i * 7_919 * n) % 16).unwrap(), 16);
        let noise: String = (0..60).filter_map(digit).collect();
        append(&client, n, &noise.repeat(6)).await;
    }
    for n in 2..=4 {
        write(&client, &format!("finishLog(logid: {n})")).await;
    }
    // Whatever compression saves, some of the four must go once there are more.
    for n in 5..=12 {
        add_log(&client, &n.to_string()).await;
        // Compression saves little of it.
        let text: String = (0..400).map(|_| fastrand::alphanumeric()).collect();
        append(&client, n, &text).await;
        write(&client, &format!("finishLog(logid: {n})")).await;
    }
    wait_until(async || {
        sql.number("SELECT COALESCE(SUM(LENGTH(content)), 0) AS n FROM logchunks")
            .await
            <= 1_000
    })
    .await;
    let kept = types(&client).await;
    assert_eq!(kept[0], "STDIO");
    assert_eq!(kept[1], "DELETED");
    assert_eq!(kept[11], "STDIO", "{kept:?}");
    let deleted = kept[1..].iter().take_while(|of| *of == "DELETED").count();
    assert!(
        kept[1 + deleted..].iter().all(|of| of == "STDIO"),
        "{kept:?}"
    );
}

/// A server ended between saying that the lines are gone and dropping them.
#[tokio::test]
async fn what_was_dropped_in_part_goes_at_the_start() {
    let (server, client) = with_step(&[]).await;
    add_log(&client, "stdio").await;
    append(&client, 1, "x").await;
    let sql = server.sql().await;
    sql.run("UPDATE logs SET type = 'd'").await;
    let flags = [&["--anonymous", "write"], &EACH_SECOND[..]].concat();
    let _peer = server.peer(&flags).await;
    wait_until(async || chunks(&sql, 1).await.is_empty()).await;
}

#[tokio::test]
async fn without_flags_nothing_goes() {
    let (server, client) = with_step(&EACH_SECOND).await;
    add_log(&client, "stdio").await;
    append(&client, 1, "x").await;
    write(&client, "finishLog(logid: 1)").await;
    let sql = server.sql().await;
    sql.run("UPDATE steps SET started_at = 0").await;
    // What is dropped in part shows that the server has looked.
    add_log(&client, "gone").await;
    append(&client, 2, "x").await;
    sql.run("UPDATE logs SET type = 'd' WHERE id = 2").await;
    let peer = server
        .peer(&[&["--anonymous", "write"], &EACH_SECOND[..]].concat())
        .await;
    wait_until(async || chunks(&sql, 2).await.is_empty()).await;
    peer.stop().await;
    assert_eq!(types(&client).await, ["STDIO", "DELETED"]);
    assert_eq!(texts(&client, 1).await, ["x"]);
}
