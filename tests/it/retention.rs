//! What is dropped from the feed, what stays, and that whoever misses something is told.

use std::time::Duration;

use buildbot_graphql::testing::Clock;
use serde_json::json;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    feed::{after, now, position},
    replay::add_rows,
    support::{PATIENCE, client::Client, server::Server, sql::Sql, ws::Ws},
};

/// The position of the oldest event (`MIN`) or the newest (`MAX`).
async fn end(sql: &Sql, of: &str) -> i64 {
    let place = sql.place();
    sql.number(&format!(
        "SELECT {of}({place}) AS n FROM graphql_step_events"
    ))
    .await
}

/// A server with these flags too, and thirty events: the cursor before them and that of each.
async fn with_events(clock: Clock, flags: &[&str]) -> (Server, Client, Vec<String>) {
    let flags = [&["--anonymous", "write"], flags].concat();
    let server = Server::build(&flags, None, clock, None).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let mut cursors = vec![now(&client).await];
    for i in 0..30 {
        cursors.push(client.new_step(build, &format!("s{i}")).await.1);
    }
    (server, client, cursors)
}

/// Behind the first `gone` events everything is replayed, and behind an older cursor nothing.
async fn reaches_back_to(server: &Server, cursors: &[String], gone: usize) {
    for cursor in &cursors[..gone] {
        let mut ws = server.ws().await;
        ws.subscribe(&after(cursor)).await;
        assert_eq!(ws.ending().await.0, "CURSOR_EXPIRED", "gone: {gone}");
    }
    for at in gone..cursors.len() {
        let mut ws = server.ws().await;
        ws.subscribe(&after(&cursors[at])).await;
        for cursor in &cursors[at + 1..] {
            assert_eq!(ws.event().await["cursor"], cursor.as_str());
        }
    }
}

#[tokio::test]
async fn as_many_events_stay_as_are_to_be_kept() {
    let (server, _, cursors) = with_events(Clock::System, &["--feed-keep-events", "10"]).await;
    reaches_back_to(&server, &cursors, 0).await;
    assert_eq!(server.handle.prune().await.unwrap(), 20);
    assert_eq!(server.handle.prune().await.unwrap(), 0);
    reaches_back_to(&server, &cursors, 20).await;
}

#[tokio::test]
async fn events_stay_as_long_as_they_are_to_be_kept() {
    let day = 1_800_000_000;
    let clock = Clock::fixed(day);
    let (server, _, cursors) = with_events(clock.clone(), &["--feed-keep-seconds", "100"]).await;
    let sql = server.sql().await;
    let place = sql.place();
    // The database dates events by the system's clock, so they are dated anew: the first at the day, then one a second.
    sql.run(&format!(
        "UPDATE graphql_step_events SET occurred_at = {day} + {place} - 1"
    ))
    .await;
    clock.set(day + 100);
    assert_eq!(server.handle.prune().await.unwrap(), 0);
    clock.set(day + 107);
    assert_eq!(server.handle.prune().await.unwrap(), 7);
    reaches_back_to(&server, &cursors, 7).await;
    // A clock that was wrong for a while tears no hole: what is old behind something young waits for it.
    sql.run(&format!(
        "UPDATE graphql_step_events SET occurred_at = 0 WHERE {place} > 9; \
         UPDATE graphql_step_events SET occurred_at = {day} + 108 WHERE {place} = 9"
    ))
    .await;
    clock.set(day + 108);
    assert_eq!(server.handle.prune().await.unwrap(), 1);
    reaches_back_to(&server, &cursors, 8).await;
}

#[tokio::test]
async fn the_newest_event_always_stays() {
    let flags = ["--feed-keep-events", "0", "--feed-keep-seconds", "0"];
    let clock = Clock::fixed(4_000_000_000);
    let (server, client, mut cursors) = with_events(clock, &flags).await;
    assert_eq!(server.handle.prune().await.unwrap(), 29);
    assert_eq!(now(&client).await, cursors[30]);
    cursors.push(client.set_state(30, "next").await);
    reaches_back_to(&server, &cursors, 29).await;
    assert_eq!(server.handle.prune().await.unwrap(), 1);
    reaches_back_to(&server, &cursors, 30).await;
}

#[tokio::test]
async fn more_than_a_batch_is_dropped_at_once() {
    let flags = ["--anonymous", "write", "--feed-keep-events", "3"];
    let server = Server::with(&flags).await;
    server.client().add_build("b").await;
    let sql = server.sql().await;
    add_rows(&sql, 1_503, "'x'").await;
    assert_eq!(server.handle.prune().await.unwrap(), 1_500);
    assert_eq!(end(&sql, "MIN").await, 1_501);
    assert_eq!(end(&sql, "MAX").await, 1_503);
}

#[tokio::test]
async fn the_server_drops_old_events_by_itself() {
    let flags = ["--feed-keep-events", "5", "--feed-prune-seconds", "1"];
    let (server, _, cursors) = with_events(Clock::System, &flags).await;
    let sql = server.sql().await;
    timeout(PATIENCE, async {
        while end(&sql, "MIN").await != 26 {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    reaches_back_to(&server, &cursors, 25).await;
}

#[tokio::test]
async fn a_live_subscriber_hears_on_while_old_events_go() {
    let flags = ["--feed-keep-events", "1"];
    let (server, client, cursors) = with_events(Clock::System, &flags).await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(&cursors[30])).await;
    for i in 0..30 {
        let written = client.set_state(1, &i.to_string()).await;
        assert_eq!(ws.event().await["cursor"], written.as_str());
        server.handle.prune().await.unwrap();
    }
}

/// Everything until the end of the stream, which must have no gap behind `at`: where it stopped, and its code.
async fn until_cut_off(ws: &mut Ws, mut at: i64) -> (i64, String) {
    loop {
        let message = ws.receive().await;
        let event = &message["payload"]["data"]["stepEvents"];
        if event["cursor"].is_string() {
            at += 1;
            assert_eq!(position(&event["cursor"]), at, "a gap");
            continue;
        }
        let errors = [&message["payload"]["errors"][0], &message["payload"][0]];
        let code = errors
            .iter()
            .find_map(|error| error["extensions"]["code"].as_str());
        let code = code.unwrap_or_else(|| panic!("ended without an error: {message:#}"));
        return (at, code.to_owned());
    }
}

#[tokio::test]
async fn a_replay_that_retention_overtakes_says_so() {
    let flags = ["--anonymous", "write", "--feed-keep-events", "50"];
    let server = Server::with(&flags).await;
    let client = server.client();
    client.add_build("b").await;
    let start = now(&client).await;
    let sql = server.sql().await;
    // Too much for the buffers on the way: the server stands in the first batch until the client reads.
    add_rows(&sql, 1_200, &format!("'{}'", "0".repeat(16_000))).await;
    assert_eq!(position(&json!(now(&client).await)), 1_200);
    let mut ws = Ws::with_small_buffer(server.address).await;
    ws.subscribe(&after(&start)).await;
    assert_eq!(position(&ws.event().await["cursor"]), 1);
    assert_eq!(server.handle.prune().await.unwrap(), 1_150);
    let (at, code) = until_cut_off(&mut ws, 1).await;
    assert_eq!(code, "CURSOR_EXPIRED");
    assert!(at < 1_150, "{at}");
}

#[tokio::test]
async fn retention_under_writers_never_leaves_a_silent_gap() {
    let flags = ["--feed-keep-events", "8"];
    let (server, client, _) = with_events(Clock::System, &flags).await;
    let stop = CancellationToken::new();
    let writer = tokio::spawn({
        let (sql, stop) = (server.sql().await, stop.clone());
        async move {
            while !stop.is_cancelled() {
                // Several at once, so that a reader falls behind the floor as well as not.
                sql.run("UPDATE steps SET state_string = 'busy' WHERE id <= 12")
                    .await;
            }
        }
    });
    let pruner = tokio::spawn({
        let (handle, stop) = (server.handle.clone(), stop.clone());
        async move {
            while !stop.is_cancelled() {
                handle.prune().await.unwrap();
            }
        }
    });
    let (mut read, mut cut) = (0, 0);
    for _ in 0..60 {
        let start = now(&client).await;
        let from = position(&json!(start));
        let mut ws = server.ws().await;
        ws.subscribe(&after(&start)).await;
        let heard = timeout(Duration::from_millis(100), until_cut_off(&mut ws, from)).await;
        if let Ok((at, code)) = heard {
            assert!(
                ["CURSOR_EXPIRED", "FEED_LAGGED"].contains(&code.as_str()),
                "{code}"
            );
            read += at - from;
            cut += 1;
        }
    }
    stop.cancel();
    writer.await.unwrap();
    pruner.await.unwrap();
    // Else nothing of the above says anything.
    assert!(
        cut > 0 && read > 0,
        "cut off {cut} times, after {read} events"
    );
    let mut ws = server.ws().await;
    ws.subscribe(&after(&now(&client).await)).await;
    let written = client.set_state(1, "next").await;
    assert_eq!(ws.event().await["cursor"], written.as_str());
}
