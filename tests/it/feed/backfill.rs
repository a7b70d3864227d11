//! Starting after a cursor or with a snapshot: first the backfill or the state, then live events,
//! with nothing repeated or lost.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    feed::{after, event_log, newest_cursor, next_events, position, summary},
    support::{
        client::Client,
        database::{Kind, kind},
        server::Server,
        sql::Sql,
        ws::Ws,
    },
};

/// Adds steps and changes each a few times, until stopped.
fn write(
    client: Client,
    build: i64,
    name: &'static str,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !stop.is_cancelled() {
            let (stepid, _) = client.new_step(build, name).await;
            for text in ["one", "two", "three"] {
                client.set_state(stepid, text).await;
            }
        }
    })
}

/// Adds this many steps in one statement.
pub(crate) async fn add_rows(sql: &Sql, count: usize, state: &str) {
    sql.run(&format!(
        "INSERT INTO steps (number, name, buildid, state_string, urls_json) \
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count}) \
         SELECT 10000 + i, 'row-' || i, 1, {state}, '[]' FROM n"
    ))
    .await;
}

#[tokio::test]
async fn a_backfill_returns_exactly_the_events_after_a_position() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let mut cursors = vec![newest_cursor(&client).await];
    for i in 0..20 {
        cursors.push(client.new_step(build, &format!("s{i}")).await.1);
    }
    let stop = CancellationToken::new();
    let writer = write(client.clone(), build, "w", stop.clone());
    let mut received = Vec::new();
    for cursor in &cursors {
        let mut ws = server.ws().await;
        ws.subscribe(&after(cursor)).await;
        // Far enough to be past the backfill, while the writer continues.
        let events = next_events(&mut ws, 80).await;
        received.push(events.iter().map(summary).collect::<Vec<Value>>());
    }
    stop.cancel();
    writer.await.unwrap();
    let all = event_log(&server.sql().await, 0).await;
    for (at, received) in received.iter().enumerate() {
        assert_eq!(all[at..at + received.len()], *received, "behind {at}");
    }
    let ids: Vec<i64> = all.iter().map(|row| row[0].as_i64().unwrap()).collect();
    // Behind those of the builder and the build.
    assert_eq!(ids, (3..).take(ids.len()).collect::<Vec<i64>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joining_under_load_loses_and_repeats_nothing() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "first").await;
    // A permanent subscriber gives the tail a position of its own, at times ahead of a joining
    // subscriber and at times behind.
    let stop = CancellationToken::new();
    let mut standing = server.ws().await;
    standing.subscribe("").await;
    let standing = tokio::spawn({
        let stop = stop.clone();
        async move {
            let reading = async { while standing.try_receive().await.is_some() {} };
            stop.run_until_cancelled(reading).await;
        }
    });
    let mut writers: Vec<_> = ["a", "b", "c"]
        .map(|name| write(client.clone(), build, name, stop.clone()))
        .into();
    let (sql, stopped) = (server.sql().await, stop.clone());
    writers.push(tokio::spawn(async move {
        while !stopped.is_cancelled() {
            sql.run("UPDATE steps SET state_string = 'past the server' WHERE id = 1")
                .await;
            sleep(Duration::from_millis(2)).await;
        }
    }));
    let mut tasks = JoinSet::new();
    for i in 0..160 {
        let (server, client) = (server.address, client.clone());
        if tasks.len() == 8 {
            tasks.join_next().await.unwrap().unwrap();
        }
        tasks.spawn(async move {
            let mut ws = Ws::connect(server).await;
            let mut at = None;
            if i % 2 == 0 {
                let start = newest_cursor(&client).await;
                at = Some(position(&json!(start)));
                ws.subscribe(&after(&start)).await;
            } else {
                ws.subscribe("").await;
            }
            for _ in 0..30 {
                let next = position(&ws.event().await["cursor"]);
                assert!(at.is_none_or(|at| next == at + 1), "{next} behind {at:?}");
                at = Some(next);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    stop.cancel();
    standing.await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn a_backfill_of_several_batches_becomes_live() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let start = newest_cursor(&client).await;
    let sql = server.sql().await;
    // Two of the counts end exactly where a batch ends, and the backfill must notice that nothing
    // remains.
    for (count, from) in [(499, 2), (1, 501), (1_000, 502), (750, 1_502)] {
        assert_eq!(position(&json!(newest_cursor(&client).await)), from);
        add_rows(&sql, count, "'x'").await;
        let mut ws = server.ws().await;
        ws.subscribe(&after(&start)).await;
        let total = usize::try_from(from - 2).unwrap() + count;
        let received = next_events(&mut ws, total).await;
        let rows: Vec<Value> = received.iter().map(summary).collect();
        assert_eq!(rows, event_log(&sql, 0).await);
        sql.run("DELETE FROM steps").await;
        // The cursors of one feed sort as text in the order of its events.
        let cursors: Vec<&str> = received
            .iter()
            .map(|e| e["cursor"].as_str().unwrap())
            .collect();
        assert!(cursors.is_sorted_by(|a, b| a < b));
    }
    let mut ws = server.ws().await;
    ws.subscribe(&after(&start)).await;
    let (_, live) = client.new_step(build, "live").await;
    let received = next_events(&mut ws, 2_251).await;
    assert_eq!(received[2_250]["cursor"], live.as_str());
}

/// Steps by id, as the events leave them.
type Steps = BTreeMap<i64, Value>;

fn fold(steps: &mut Steps, event: &Value) {
    let step = &event["step"];
    steps.insert(step["stepid"].as_i64().unwrap(), step.clone());
}

async fn all_steps(client: &Client, build: i64) -> Steps {
    let query = "query($b: Int!) { build(buildid: $b) { steps { stepid name stateString results complete hidden } } }";
    let data = client.data(query, json!({ "b": build })).await;
    let steps = data["build"]["steps"].as_array().unwrap();
    let pairs = steps
        .iter()
        .map(|step| (step["stepid"].as_i64().unwrap(), step.clone()));
    pairs.collect()
}

#[tokio::test]
async fn a_snapshot_and_later_events_reproduce_the_table() {
    let server = Server::start().await;
    let build = server.client().add_build("b").await;
    check_snapshots(&server, build).await;
}

#[tokio::test]
async fn a_snapshot_of_many_pages_and_later_events_reproduce_the_table() {
    let flags = ["--anonymous", "write", "--feed-queue-bytes", "100000"];
    let server = Server::with_flags(&flags).await;
    let build = server.client().add_build("b").await;
    add_rows(&server.sql().await, 900, "'x'").await;
    check_snapshots(&server, build).await;
}

/// Takes snapshots while others write, and folds the later events into them.
async fn check_snapshots(server: &Server, build: i64) {
    let client = server.client();
    client.new_step(build, "first").await;
    let stop = CancellationToken::new();
    let writers: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| write(client.clone(), build, name, stop.clone()))
        .into_iter()
        .collect();
    let mut shown = Vec::new();
    for _ in 0..12 {
        let mut ws = server.ws().await;
        ws.subscribe("(snapshot: true)").await;
        // Waits for the first event, so that each snapshot is of a different moment.
        let first = ws.event().await;
        shown.push((ws, first));
    }
    stop.cancel();
    for writer in writers {
        writer.await.unwrap();
    }
    let (_, end) = client.new_step(build, "last").await;
    let table = all_steps(&client, build).await;
    let all = event_log(&server.sql().await, 0).await;
    for (mut ws, first) in shown {
        assert_eq!(first["kind"], "SNAPSHOT");
        let taken = position(&first["cursor"]);
        let mut steps = Steps::new();
        fold(&mut steps, &first);
        let mut event = ws.event().await;
        while event["kind"] == "SNAPSHOT" {
            assert_eq!(event["cursor"], first["cursor"]);
            let known = steps.len();
            fold(&mut steps, &event);
            assert_eq!(steps.len(), known + 1, "a step is shown twice: {event:#}");
            event = ws.event().await;
        }
        let (mut at, mut skipped) = (taken, Vec::new());
        let at_first = steps.clone();
        loop {
            let next = position(&event["cursor"]);
            assert!(next > at, "behind a snapshot at {taken}");
            skipped.extend(at + 1..next);
            at = next;
            assert_ne!(event["kind"], "SNAPSHOT");
            fold(&mut steps, &event);
            if event["cursor"] == end.as_str() {
                break;
            }
            event = ws.event().await;
        }
        assert_eq!(steps, table);
        // Only changes that the snapshot shows already, though they had no position yet, are left
        // out.
        assert!(kind() != Kind::Sqlite || skipped.is_empty(), "{skipped:?}");
        let left_out = all
            .iter()
            .filter(|row| skipped.contains(&row[0].as_i64().unwrap()));
        let newest: BTreeMap<i64, &Value> = left_out
            .map(|row| (row[2].as_i64().unwrap(), &row[4]))
            .collect();
        for (stepid, state) in newest {
            assert_eq!(
                &at_first[&stepid]["stateString"], state,
                "behind a snapshot at {taken}"
            );
        }
    }
}

#[tokio::test]
async fn an_empty_snapshot_is_followed_by_live_events() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let mut ws = server.ws().await;
    ws.subscribe("(snapshot: true)").await;
    // The snapshot may be before or after this write. Either way the step appears once.
    let (stepid, cursor) = client.new_step(build, "s").await;
    let event = ws.event().await;
    // Read before it has its position, a row carries the cursor before it.
    if kind() == Kind::Sqlite || event["kind"] == "NEW" {
        assert_eq!(event["cursor"], cursor.as_str());
    }
    assert_eq!(event["step"]["stepid"], stepid);
    let next = client.set_state(stepid, "next").await;
    assert_eq!(ws.event().await["cursor"], next.as_str());
}

#[tokio::test]
async fn a_snapshot_has_a_limit() {
    let flags = ["--anonymous", "write", "--feed-snapshot-steps", "10"];
    check_limit(&flags).await;
    // Each step is a page.
    check_limit(&[&flags[..], &["--feed-queue-bytes", "1"]].concat()).await;
}

async fn check_limit(flags: &[&str]) {
    let server = Server::with_flags(flags).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let sql = server.sql().await;
    add_rows(&sql, 10, "'x'").await;
    let mut ws = server.ws().await;
    ws.subscribe("(snapshot: true)").await;
    let received = next_events(&mut ws, 10).await;
    assert!(received.iter().all(|event| event["kind"] == "SNAPSHOT"));
    let (stepid, cursor) = client.new_step(build, "eleventh").await;
    assert_eq!(ws.event().await["cursor"], cursor.as_str());
    let mut ws = server.ws().await;
    ws.subscribe("(snapshot: true)").await;
    assert_eq!(ws.stream_error().await.0, "LIMIT_EXCEEDED");
    // The remedy that the error suggests.
    let narrow = format!("(snapshot: true, where: {{ stepid: {stepid} }})");
    let mut ws = server.ws().await;
    ws.subscribe(&narrow).await;
    assert_eq!(ws.event().await["step"]["stepid"], stepid);
}
