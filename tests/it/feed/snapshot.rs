//! Long snapshots: read page by page as their client takes them, in one moment, and paid for.

use std::collections::BTreeSet;

use buildbot_graphql::testing::Clock;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    feed::{backfill::add_rows, newest_cursor, next_events, position},
    observability::metrics::samples,
    support::{
        client::Client,
        database::{Kind, kind},
        server::Server,
        wait_until,
        ws::Ws,
    },
};

/// Small pages: of some 20 steps with short texts.
const SMALL: [&str; 8] = [
    "--anonymous",
    "write",
    "--feed-queue-bytes",
    "12000",
    "--write-timeout-seconds",
    "600",
    "--socket-ping-seconds",
    "600",
];

const ALL: &str = "(snapshot: true)";

/// A text of 16,000 characters, in SQL.
fn long_text() -> &'static str {
    match kind() {
        Kind::Sqlite => "hex(zeroblob(8000))",
        _ => "repeat('x', 16000)",
    }
}

/// A server with this many steps of one build.
async fn with_steps(flags: &[&str], count: usize, state: &str) -> (Server, Client, i64) {
    let server = Server::with_flags(flags).await;
    let client = server.client();
    let build = client.add_build("b").await;
    add_rows(&server.sql().await, count, state).await;
    // So that the events of these rows have their positions: a snapshot that has them ahead of
    // their positions reads them all once more, in batches of one.
    newest_cursor(&client).await;
    (server, client, build)
}

/// How many snapshots hold a connection.
async fn open_snapshots(client: &Client) -> f64 {
    let samples = samples(client).await;
    samples["pool_connections{pool=\"snapshot\"}"] - samples["pool_idle{pool=\"snapshot\"}"]
}

/// How many bytes requests, queues and snapshots hold.
async fn held_bytes(client: &Client) -> f64 {
    samples(client).await["memory_held_bytes"]
}

async fn wait_for_snapshots(client: &Client, count: f64) {
    wait_until(async || (open_snapshots(client).await - count).abs() < 0.1).await;
}

/// A socket whose client reads no more than the first event of a long snapshot.
async fn deaf(server: &Server) -> Ws {
    let mut ws = Ws::with_small_buffer(server.address).await;
    ws.subscribe(ALL).await;
    assert_eq!(ws.event().await["kind"], "SNAPSHOT");
    ws
}

#[tokio::test]
async fn pages_are_of_one_moment_and_in_order() {
    let (server, client, build) = with_steps(&SMALL, 2_000, long_text()).await;
    let mut ws = deaf(&server).await;
    wait_for_snapshots(&client, 1.0).await;
    // Committed while most of the snapshot is still to be read.
    let sql = server.sql().await;
    let mut changed = vec![client.set_state(1_999, "changed").await];
    changed.push(client.new_step(build, "new").await.1);
    sql.run("DELETE FROM steps WHERE id = 1998").await;
    let rest = next_events(&mut ws, 1_999).await;
    let ids: Vec<i64> = rest
        .iter()
        .map(|event| event["step"]["stepid"].as_i64().unwrap())
        .collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    assert_eq!(BTreeSet::from_iter(ids).len(), 1_999);
    let cursors: BTreeSet<&str> = rest.iter().filter_map(|e| e["cursor"].as_str()).collect();
    assert_eq!(cursors.len(), 1);
    for event in &rest {
        assert_eq!(event["kind"], "SNAPSHOT");
        assert_ne!(event["step"]["stateString"], "changed");
    }
    for cursor in changed {
        assert_eq!(ws.event().await["cursor"], cursor.as_str());
    }
    wait_for_snapshots(&client, 0.0).await;
    drop(ws);
    wait_until(async || held_bytes(&client).await < 0.1).await;
}

#[tokio::test]
async fn what_a_snapshot_holds_is_bounded_in_bytes() {
    let flags = ["--anonymous", "write", "--write-timeout-seconds", "600"];
    let (server, client, _) = with_steps(&flags, 1_000, long_text()).await;
    let mut deaf_ones = Vec::new();
    for open in 1..=3 {
        deaf_ones.push(deaf(&server).await);
        let count = f64::from(open);
        wait_for_snapshots(&client, count).await;
        // A page is about half a mebibyte. One is being taken, another waits, and less than half of
        // one is being written.
        let page = f64::from(1 << 19);
        wait_until(async || held_bytes(&client).await >= count * page * 0.9).await;
        let held = held_bytes(&client).await;
        assert!(held <= count * page * 2.5, "{held} for {open}");
    }
    // Nobody else waits for them.
    let data = client
        .data("{ step(stepid: 7) { number } }", json!({}))
        .await;
    assert_eq!(data["step"]["number"], 10_006);
    drop(deaf_ones);
    wait_for_snapshots(&client, 0.0).await;
    wait_until(async || held_bytes(&client).await < 0.1).await;
}

#[tokio::test]
async fn a_backfill_of_long_texts_is_bounded_in_bytes() {
    let flags = ["--anonymous", "write", "--write-timeout-seconds", "600"];
    let server = Server::with_flags(&flags).await;
    let client = server.client();
    client.add_build("b").await;
    let start = newest_cursor(&client).await;
    add_rows(&server.sql().await, 1_200, long_text()).await;
    let mut ws = Ws::with_small_buffer(server.address).await;
    ws.subscribe(&crate::feed::after(&start)).await;
    ws.event().await;
    wait_until(async || held_bytes(&client).await >= 100_000.0).await;
    let held = held_bytes(&client).await;
    // A page, and what is being written.
    assert!(held <= f64::from(1 << 20), "{held}");
    let rest = next_events(&mut ws, 1_199).await;
    let last = position(&json!(start)) + 1_200;
    assert_eq!(position(&rest[1_198]["cursor"]), last);
}

#[tokio::test]
async fn a_client_that_is_too_slow_is_told_and_holds_nothing() {
    let flags = [&SMALL[..], &["--snapshot-seconds", "1"]].concat();
    let (server, client, _) = with_steps(&flags, 2_000, long_text()).await;
    let mut ws = deaf(&server).await;
    wait_for_snapshots(&client, 0.0).await;
    let mut count = 1;
    let error = loop {
        let mut message = ws.receive().await;
        match message["type"].as_str() {
            Some("next") if message["payload"].get("errors").is_none() => count += 1,
            Some("next") => break message["payload"]["errors"][0].take(),
            _ => break message["payload"][0].take(),
        }
    };
    assert!(count < 2_000);
    assert_eq!(error["extensions"]["code"], "FEED_LAGGED");
    assert!(error["extensions"].get("cursor").is_none(), "{error:#}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("snapshot-seconds gives 1 s"), "{message}");
    // The socket serves on.
    ws.subscribe("(snapshot: true, where: { stepid: 7 })").await;
    assert_eq!(ws.event().await["step"]["stepid"], 7);
}

#[tokio::test]
async fn a_session_that_is_killed_interrupts_its_snapshot() {
    if kind() == Kind::Sqlite {
        eprintln!("not on SQLite: it has no sessions");
        return;
    }
    let (server, client, _) = with_steps(&SMALL, 2_000, long_text()).await;
    let mut ws = deaf(&server).await;
    wait_for_snapshots(&client, 1.0).await;
    server.sql().await.kill_other_connections().await;
    assert_eq!(ws.stream_error().await, ("UNAVAILABLE".to_owned(), None));
    wait_for_snapshots(&client, 0.0).await;
    // A connection that was killed is noticed at its next use, or tested once it was idle.
    wait_until(async || {
        let mut ws = server.ws().await;
        ws.subscribe(ALL).await;
        ws.receive().await["type"] == "next"
    })
    .await;
    let mut ws = server.ws().await;
    ws.subscribe(ALL).await;
    assert_eq!(next_events(&mut ws, 2_000).await.len(), 2_000);
}

#[tokio::test]
async fn events_that_are_dropped_during_a_snapshot_are_not_missed_in_silence() {
    let flags = [&SMALL[..], &["--feed-keep-events", "10"]].concat();
    let (server, client, _) = with_steps(&flags, 2_000, long_text()).await;
    let mut ws = deaf(&server).await;
    wait_for_snapshots(&client, 1.0).await;
    for i in 0..30 {
        client.set_state(7, &format!("{i}")).await;
    }
    server.handle.prune().await.unwrap();
    assert_eq!(next_events(&mut ws, 1_999).await.len(), 1_999);
    assert_eq!(ws.stream_error().await.0, "CURSOR_EXPIRED");
}

#[tokio::test]
async fn a_server_stops_during_a_snapshot() {
    let (server, client, _) = with_steps(&SMALL, 2_000, long_text()).await;
    let deaf = deaf(&server).await;
    wait_for_snapshots(&client, 1.0).await;
    let handle = server.handle.clone();
    server.stop().await;
    assert_eq!(handle.tasks(), 0);
    drop(deaf);
}

#[tokio::test]
async fn a_caller_has_so_many_at_once_and_delays_nobody_else() {
    let patience = ["--max-seconds", "600", "--snapshot-seconds", "600"];
    let flags = [&SMALL[..], &patience].concat();
    let (server, client, _) = with_steps(&flags, 600, long_text()).await;
    let token = server
        .handle
        .create_token("other", buildbot_graphql::testing::Scope::Read)
        .await
        .unwrap();
    let mut ours = Vec::new();
    for _ in 0..6 {
        let mut ws = Ws::with_small_buffer(server.address).await;
        ws.subscribe(ALL).await;
        ours.push(ws);
    }
    wait_for_snapshots(&client, 4.0).await;
    client
        .data("{ builders { nodes { name } } }", json!({}))
        .await;
    // A short one waits for no turn.
    let mut short = server.ws().await;
    short
        .subscribe("(snapshot: true, where: { stepid: 7 })")
        .await;
    assert_eq!(short.event().await["step"]["stepid"], 7);
    let authorization = format!("Bearer {token}");
    let mut other = Ws::open_as(server.address, "graphql-transport-ws", Some(&authorization))
        .await
        .unwrap();
    other.send(json!({ "type": "connection_init" })).await;
    assert_eq!(other.receive().await["type"], "connection_ack");
    other.subscribe(ALL).await;
    assert_eq!(next_events(&mut other, 600).await.len(), 600);
    wait_for_snapshots(&client, 4.0).await;
    // The others' turns come once the first have theirs.
    // All are read at once, since nobody knows whose turns came first.
    let read = ours.iter_mut().map(|ws| next_events(ws, 600));
    for events in join_all(read).await {
        assert_eq!(events.len(), 600);
    }
    wait_for_snapshots(&client, 0.0).await;
}

/// A server with 100 steps where a caller has this many points.
async fn with_points(points: &str) -> (Server, Client) {
    let rate = ["--rate-points", points, "--rate-points-per-second", "1"];
    let server = Server::start().await;
    server.client().add_build("b").await;
    add_rows(&server.sql().await, 100, "'x'").await;
    let flags = [&SMALL[..], &rate].concat();
    let database = server.database.clone();
    let peer = Server::on(database, &flags, Clock::System, None).await;
    let client = peer.client();
    (peer, client)
}

/// The points that a caller has left.
async fn points(client: &Client) -> u64 {
    let body = json!({ "query": "{ __typename }" });
    let request = client.http.post(&client.url).json(&body);
    let response = request.send().await.unwrap();
    let left = response.headers()["ratelimit"].to_str().unwrap();
    let left = left.split(";r=").nth(1).unwrap().split(';').next();
    left.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_snapshot_costs_what_its_events_do() {
    let (server, client) = with_points("1000").await;
    let before = points(&client).await;
    let mut ws = server.ws().await;
    ws.subscribe(ALL).await;
    next_events(&mut ws, 100).await;
    let cost = before - points(&client).await;
    // An event and its step, a hundred times, the query that asks, and the statements' time.
    assert!((195..390).contains(&cost), "{cost}");
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_paid_does_not_begin() {
    let (server, client) = with_points("250").await;
    let mut ws = server.ws().await;
    ws.subscribe(ALL).await;
    next_events(&mut ws, 100).await;
    let mut second = server.ws().await;
    second.subscribe(ALL).await;
    let message = second.receive().await;
    assert_eq!(message["type"], "error", "{message:#}");
    let extensions: &Value = &message["payload"][0]["extensions"];
    assert_eq!(extensions["code"], "RATE_LIMITED");
    wait_for_snapshots(&client, 0.0).await;
}

#[tokio::test]
async fn a_snapshot_dearer_than_a_bucket_takes_what_a_bucket_holds() {
    let (server, client) = with_points("150").await;
    let mut ws = server.ws().await;
    ws.subscribe(ALL).await;
    assert_eq!(next_events(&mut ws, 100).await.len(), 100);
    let body = json!({ "query": "{ __typename }" });
    let request = client.http.post(&client.url).json(&body);
    assert_eq!(request.send().await.unwrap().status(), 429);
}
