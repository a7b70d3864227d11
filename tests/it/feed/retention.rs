//! What retention drops and keeps, and that a subscriber who misses events is told so.

use std::time::Duration;

use buildbot_graphql::testing::Clock;
use serde_json::json;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    feed::{after, backfill::add_rows, newest_cursor, position},
    support::{TIMEOUT, client::Client, server::Server, sql::Sql, ws::Ws},
};

/// The position of the oldest event (`MIN`) or the newest (`MAX`).
async fn edge(sql: &Sql, of: &str) -> i64 {
    let position = sql.position_column();
    sql.number(&format!("SELECT {of}({position}) AS n FROM graphql_events"))
        .await
}

/// A server with these flags and thirty events: the cursor before them and the cursor of each.
async fn with_events(clock: Clock, flags: &[&str]) -> (Server, Client, Vec<String>) {
    let flags = [&["--anonymous", "write"], flags].concat();
    let server = Server::build(&flags, None, clock, None).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let mut cursors = vec![newest_cursor(&client).await];
    for i in 0..30 {
        cursors.push(client.new_step(build, &format!("s{i}")).await.1);
    }
    (server, client, cursors)
}

/// Checks that a cursor after the first `gone` events can be resumed from, and that an older one
/// cannot.
async fn check_reach(server: &Server, cursors: &[String], gone: usize) {
    for cursor in &cursors[..gone] {
        let mut ws = server.ws().await;
        ws.subscribe(&after(cursor)).await;
        assert_eq!(ws.stream_error().await.0, "CURSOR_EXPIRED", "gone: {gone}");
    }
    for at in gone..cursors.len() {
        let mut ws = server.ws().await;
        ws.subscribe(&after(&cursors[at])).await;
        for cursor in &cursors[at + 1..] {
            assert_eq!(ws.event().await["cursor"], cursor.as_str());
        }
    }
}

/// Reads the cursors behind the first one anew: their events were written over.
async fn read_cursors(server: &Server, cursors: &mut [String]) {
    let mut ws = server.ws().await;
    ws.subscribe(&after(&cursors[0])).await;
    for cursor in &mut cursors[1..] {
        ws.event().await["cursor"]
            .as_str()
            .unwrap()
            .clone_into(cursor);
    }
}

#[tokio::test]
async fn retention_keeps_the_configured_number_of_events() {
    let (server, _, cursors) = with_events(Clock::System, &["--feed-keep-events", "10"]).await;
    check_reach(&server, &cursors, 0).await;
    // And those of the builder and the build.
    assert_eq!(server.handle.prune().await.unwrap(), 22);
    assert_eq!(server.handle.prune().await.unwrap(), 0);
    check_reach(&server, &cursors, 20).await;
}

#[tokio::test]
async fn retention_keeps_events_for_the_configured_time() {
    let day = 1_800_000_000;
    let clock = Clock::fixed(day);
    let (server, _, mut cursors) =
        with_events(clock.clone(), &["--feed-keep-seconds", "100"]).await;
    let sql = server.sql().await;
    let position = sql.position_column();
    // The database dates events by the system's clock, so the test dates those of steps again:
    // the first at the day, then one per second.
    sql.run(&format!(
        "UPDATE graphql_events SET occurred_at = {day} + {position} - 3 WHERE {position} > 2"
    ))
    .await;
    read_cursors(&server, &mut cursors).await;
    clock.set(day + 100);
    // Those of the builder and the build.
    assert_eq!(server.handle.prune().await.unwrap(), 2);
    assert_eq!(server.handle.prune().await.unwrap(), 0);
    clock.set(day + 107);
    assert_eq!(server.handle.prune().await.unwrap(), 7);
    check_reach(&server, &cursors, 7).await;
    // A clock that was wrong for a while leaves no gap: an old event after a young one waits for
    // it.
    sql.run(&format!(
        "UPDATE graphql_events SET occurred_at = 0 WHERE {position} > 11; \
         UPDATE graphql_events SET occurred_at = {day} + 108 WHERE {position} = 11"
    ))
    .await;
    read_cursors(&server, &mut cursors[7..]).await;
    clock.set(day + 108);
    assert_eq!(server.handle.prune().await.unwrap(), 1);
    check_reach(&server, &cursors, 8).await;
}

#[tokio::test]
async fn retention_always_keeps_the_newest_event() {
    let flags = ["--feed-keep-events", "0", "--feed-keep-seconds", "0"];
    let clock = Clock::fixed(4_000_000_000);
    let (server, client, mut cursors) = with_events(clock, &flags).await;
    assert_eq!(server.handle.prune().await.unwrap(), 31);
    assert_eq!(newest_cursor(&client).await, cursors[30]);
    cursors.push(client.set_state(30, "next").await);
    check_reach(&server, &cursors, 29).await;
    assert_eq!(server.handle.prune().await.unwrap(), 1);
    check_reach(&server, &cursors, 30).await;
}

#[tokio::test]
async fn retention_drops_more_than_one_batch() {
    let flags = ["--anonymous", "write", "--feed-keep-events", "3"];
    let server = Server::with_flags(&flags).await;
    server.client().add_build("b").await;
    let sql = server.sql().await;
    add_rows(&sql, 1_503, "'x'").await;
    assert_eq!(server.handle.prune().await.unwrap(), 1_502);
    assert_eq!(edge(&sql, "MIN").await, 1_503);
    assert_eq!(edge(&sql, "MAX").await, 1_505);
}

#[tokio::test]
async fn the_server_runs_retention_by_itself() {
    let flags = ["--feed-keep-events", "5", "--feed-prune-seconds", "1"];
    let (server, _, cursors) = with_events(Clock::System, &flags).await;
    let sql = server.sql().await;
    timeout(TIMEOUT, async {
        while edge(&sql, "MIN").await != 28 {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    check_reach(&server, &cursors, 25).await;
}

#[tokio::test]
async fn retention_does_not_disturb_a_live_subscriber() {
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

/// Reads to the end of the stream, which must have no gap after `at`: the last position, and the
/// error's code.
async fn read_to_error(ws: &mut Ws, mut at: i64) -> (i64, String) {
    loop {
        let message = match ws.receive_or_interruption().await {
            Ok(message) => message,
            Err((code, _)) => return (at, code),
        };
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
async fn a_backfill_overtaken_by_retention_fails() {
    let flags = ["--anonymous", "write", "--feed-keep-events", "50"];
    let server = Server::with_flags(&flags).await;
    let client = server.client();
    client.add_build("b").await;
    let start = newest_cursor(&client).await;
    let sql = server.sql().await;
    // More than all buffers hold: the server stays in the first batch until the client reads.
    add_rows(&sql, 1_200, &format!("'{}'", "0".repeat(16_000))).await;
    assert_eq!(position(&json!(newest_cursor(&client).await)), 1_202);
    let mut ws = Ws::with_small_buffer(server.address).await;
    ws.subscribe(&after(&start)).await;
    assert_eq!(position(&ws.event().await["cursor"]), 3);
    assert_eq!(server.handle.prune().await.unwrap(), 1_152);
    let (at, code) = read_to_error(&mut ws, 3).await;
    assert_eq!(code, "CURSOR_EXPIRED");
    assert!(at < 1_150, "{at}");
}

#[tokio::test]
async fn retention_under_load_never_leaves_a_silent_gap() {
    let flags = ["--feed-keep-events", "8"];
    let (server, client, _) = with_events(Clock::System, &flags).await;
    let stop = CancellationToken::new();
    let writer = tokio::spawn({
        let (sql, stop) = (server.sql().await, stop.clone());
        async move {
            // Several events at once, so that a reader falls behind the floor at times, and pauses
            // of many lengths, so that it does not always, however busy the machine is.
            for pause in (0..30).cycle() {
                if stop.is_cancelled() {
                    break;
                }
                sql.run("UPDATE steps SET state_string = 'busy' WHERE id <= 12")
                    .await;
                sleep(Duration::from_millis(pause)).await;
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
    for round in 0.. {
        // Otherwise the checks below prove nothing.
        if round >= 60 && cut > 0 && read > 0 {
            break;
        }
        assert!(round < 600, "cut off {cut} times, after {read} events");
        let start = newest_cursor(&client).await;
        let from = position(&json!(start));
        let mut ws = server.ws().await;
        ws.subscribe(&after(&start)).await;
        let received = timeout(Duration::from_millis(100), read_to_error(&mut ws, from)).await;
        if let Ok((at, code)) = received {
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
    let mut ws = server.ws().await;
    ws.subscribe(&after(&newest_cursor(&client).await)).await;
    let written = client.set_state(1, "next").await;
    assert_eq!(ws.event().await["cursor"], written.as_str());
}
