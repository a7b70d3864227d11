//! Rows of `steps` that a foreign process writes with plain SQL make events like the server's own
//! writes.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    feed::{STEP, after, event_log, newest_cursor, next_events, summary},
    support::{TIMEOUT, client::Client, database::on_sqlite, server::Server, sql::Sql, ws::Ws},
};

const INSERT: &str = "INSERT INTO steps (number, name, buildid, state_string, urls_json) VALUES";

/// A server with two builds, a second connection to its database, and a subscriber to whole steps.
async fn listening() -> (Server, Sql, Ws) {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    client.add_build("b").await;
    let sql = server.sql().await;
    let mut ws = server.ws().await;
    let start = after(&newest_cursor(&client).await);
    let query = format!("subscription {{ stepEvents{start} {{ cursor kind step {{ {STEP} }} }} }}");
    ws.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } }))
        .await;
    (server, sql, ws)
}

async fn step(client: &Client, stepid: i64) -> Value {
    let query = format!("{{ step(stepid: {stepid}) {{ {STEP} }} }}");
    client.data(&query, json!({})).await["step"].take()
}

#[tokio::test]
async fn each_statement_makes_an_event_of_its_kind() {
    let (server, sql, mut ws) = listening().await;
    let client = server.client();
    sql.run(&format!("{INSERT} (0, 's', 1, 'pending', '[]')"))
        .await;
    let event = ws.event().await;
    assert_eq!(event["kind"], "NEW");
    assert_eq!(event["step"], step(&client, 1).await);
    let links = r#"[{"name": "log", "url": "http://localhost/"}]"#;
    let updates = [
        // Each column alone, while the step waits and runs …
        ("UPDATED", "state_string = 'waiting'".to_owned()),
        ("UPDATED", format!("urls_json = '{links}'")),
        ("UPDATED", "name = 'renamed'".into()),
        ("UPDATED", "number = 7".into()),
        ("UPDATED", "buildid = 2".into()),
        ("UPDATED", "results = 0".into()),
        ("UPDATED", "hidden = 1".into()),
        ("STARTED", "started_at = 1800000000".into()),
        ("STARTED", "started_at = 1800000001".into()),
        ("UPDATED", "locks_acquired_at = 1800000002".into()),
        ("FINISHED", "complete_at = 1800000003".into()),
        // … and after it is complete.
        ("FINISHED", "complete_at = 1800000004".into()),
        ("FINISHED", "results = 2".into()),
        ("FINISHED", "hidden = 0".into()),
        ("STARTED", "started_at = 1800000000".into()),
        ("UPDATED", "locks_acquired_at = 1800000001".into()),
        ("UPDATED", "state_string = 'late'".into()),
        ("UPDATED", "urls_json = '[]'".into()),
        // Rolled back to running.
        ("UPDATED", "complete_at = NULL, results = NULL".into()),
        (
            "UPDATED",
            "started_at = NULL, locks_acquired_at = NULL".into(),
        ),
        // Several columns at once: finishing outranks starting, and starting outranks the rest.
        (
            "STARTED",
            "started_at = 1800000000, locks_acquired_at = 1800000000, state_string = 'go'".into(),
        ),
        (
            "FINISHED",
            "complete_at = 1800000009, results = 0, hidden = 1, state_string = 'done'".into(),
        ),
        (
            "UPDATED",
            "started_at = NULL, locks_acquired_at = NULL, complete_at = NULL, results = NULL"
                .into(),
        ),
        (
            "FINISHED",
            "started_at = 1800000000, complete_at = 1800000000, results = 3".into(),
        ),
    ];
    // Behind the events of the builder, its builds and the new step.
    let mut at = 4;
    for (kind, columns) in &updates {
        sql.run(&format!("UPDATE steps SET {columns} WHERE id = 1"))
            .await;
        let event = ws.event().await;
        at += 1;
        assert_eq!(crate::feed::position(&event["cursor"]), at, "{columns}");
        assert_eq!(event["kind"], *kind, "{columns}");
        assert_eq!(event["step"], step(&client, 1).await, "{columns}");
    }
    assert_eq!(event_log(&sql, 0).await.len(), updates.len() + 1);
}

#[tokio::test]
async fn each_row_of_a_statement_makes_one_event() {
    let (_server, sql, mut ws) = listening().await;
    sql.run(&format!(
        "{INSERT} (0, 'a', 1, 'x', '[]'), (1, 'b', 1, 'x', '[]'), (2, 'c', 1, 'x', '[]')"
    ))
    .await;
    sql.run("UPDATE steps SET state_string = name || '!' WHERE number > 0")
        .await;
    // A statement that changes nothing makes no event.
    sql.run("UPDATE steps SET state_string = 'never' WHERE number > 9")
        .await;
    sql.run("UPDATE steps SET complete_at = 1800000000, results = 0")
        .await;
    let received: Vec<Value> = next_events(&mut ws, 8).await.iter().map(summary).collect();
    let expected = [
        json!([4, "NEW", 1, "a", "x"]),
        json!([5, "NEW", 2, "b", "x"]),
        json!([6, "NEW", 3, "c", "x"]),
        json!([7, "UPDATED", 2, "b", "b!"]),
        json!([8, "UPDATED", 3, "c", "c!"]),
        json!([9, "FINISHED", 1, "a", "x"]),
        json!([10, "FINISHED", 2, "b", "b!"]),
        json!([11, "FINISHED", 3, "c", "c!"]),
    ];
    assert_eq!(received, expected);
}

#[tokio::test]
async fn a_committed_transaction_is_delivered_whole_and_a_rolled_back_one_not_at_all() {
    let (_server, sql, mut ws) = listening().await;
    sql.run(&format!(
        "BEGIN; {INSERT} (0, 'gone', 1, 'x', '[]'); UPDATE steps SET state_string = 'y'; ROLLBACK"
    ))
    .await;
    sql.run(&format!(
        "BEGIN; {INSERT} (0, 'a', 1, 'one', '[]'); UPDATE steps SET state_string = 'two'; \
         UPDATE steps SET state_string = 'three'; {INSERT} (1, 'b', 1, 'x', '[]'); COMMIT"
    ))
    .await;
    let received: Vec<Value> = next_events(&mut ws, 4).await.iter().map(summary).collect();
    // A rollback leaves no gap, and every intermediate state is delivered, not only the last.
    let (a, b) = (received[0][2].clone(), received[3][2].clone());
    let expected = [
        json!([4, "NEW", a, "a", "one"]),
        json!([5, "UPDATED", a, "a", "two"]),
        json!([6, "UPDATED", a, "a", "three"]),
        json!([7, "NEW", b, "b", "x"]),
    ];
    assert_eq!(received, expected);
}

#[tokio::test]
async fn a_transaction_is_not_delivered_before_its_commit() {
    let (server, sql, mut ws) = listening().await;
    let other = server.sql().await;
    other
        .run(&format!("{INSERT} (0, 'first', 1, 'x', '[]')"))
        .await;
    let first = ws.event().await;
    sql.run(&format!("BEGIN; {INSERT} (1, 'open', 1, 'x', '[]')"))
        .await;
    // Readers are not blocked and see the feed as it was.
    assert_eq!(
        first["cursor"],
        newest_cursor(&server.client()).await.as_str()
    );
    let mut late = server.ws().await;
    late.subscribe("(snapshot: true)").await;
    let shown = late.event().await;
    assert_eq!(shown["cursor"], first["cursor"]);
    assert_eq!(shown["step"]["name"], "first");
    sql.run("COMMIT").await;
    for ws in [&mut ws, &mut late] {
        let event = ws.event().await;
        assert_eq!(event["step"]["name"], "open");
        assert_eq!(crate::feed::position(&event["cursor"]), 5);
    }
}

#[tokio::test]
async fn an_unreadable_row_does_not_stop_the_feed() {
    if !on_sqlite("it alone takes anything into any column") {
        return;
    }
    for assignment in [
        "hidden = 40000",
        "hidden = 'yes'",
        "number = 3000000000",
        "name = x'ff'",
    ] {
        let server = Server::start().await;
        let client = server.client();
        let (spoilt, sound) = (client.add_build("b").await, client.add_build("b").await);
        client.new_step(spoilt, "s").await;
        let (stepid, start) = client.new_step(sound, "s").await;
        let mut ws = server.ws().await;
        let arguments = format!("(after: {start:?}, where: {{ buildid: {sound} }})");
        ws.subscribe(&arguments).await;
        let first = client.set_state(stepid, "before").await;
        assert_eq!(ws.event().await["cursor"], first.as_str());
        let sql = server.sql().await;
        sql.run(&format!(
            "UPDATE steps SET {assignment} WHERE buildid = {spoilt}"
        ))
        .await;
        let written = client.set_state(stepid, "behind it").await;
        let received = timeout(TIMEOUT / 2, ws.event()).await;
        let event = received.unwrap_or_else(|_| panic!("silent behind a row with {assignment}"));
        assert_eq!(event["cursor"], written.as_str());
    }
}

/// More is written all the time than one reading takes, so that the end of the feed is never
/// reached.
#[tokio::test]
async fn a_feed_that_never_ends_is_not_stale() {
    let flags = ["--anonymous", "write", "--feed-stale-seconds", "2"];
    let server = Server::with_flags(&flags).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, start) = client.new_step(build, "quiet").await;
    for number in 0..100 {
        client.new_step(build, &format!("s{number}")).await;
    }
    let mut ws = server.ws().await;
    ws.subscribe(&format!(
        "(where: {{ stepid: {stepid} }}, after: \"{start}\")"
    ))
    .await;
    let sql = server.sql().await;
    let writing = timeout(Duration::from_secs(3), async {
        for round in 0.. {
            sql.run(&format!(
                "UPDATE steps SET state_string = '{round}' WHERE id <> {stepid}"
            ))
            .await;
        }
    });
    assert!(writing.await.is_err(), "writing ends when its time is over");
    let heard = client.set_state(stepid, "heard").await;
    assert_eq!(ws.event().await["cursor"], heard.as_str());
}
