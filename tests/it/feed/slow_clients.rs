//! Subscribers that read slowly, not at all, or vanish: they delay nobody, and an error announces
//! every loss.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    feed::{after, newest_cursor, next_events, position},
    support::{
        TIMEOUT,
        client::Client,
        database::{Kind, kind},
        server::Server,
        ws::Ws,
    },
};

/// More than the operating system buffers for a client that does not read: 16 KB each.
const MANY: usize = 500;

/// The state string of the event with this number: long, and identified by its start.
fn long(i: usize) -> String {
    format!("{i:06}{}", "x".repeat(16_000))
}

async fn one_step(server: &Server) -> (Client, i64, String) {
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, cursor) = client.new_step(build, "s").await;
    (client, stepid, cursor)
}

/// Waits until this many tasks run beside the requests.
async fn wait_for_tasks(server: &Server, count: usize) {
    let shrunk = timeout(TIMEOUT, async {
        while server.handle.tasks() > count {
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(
        shrunk.await.is_ok(),
        "{} tasks, not {count}",
        server.handle.tasks()
    );
}

/// Reads to the error that ends the stream, which must name where to resume: the events and that
/// cursor.
async fn read_to_lag(ws: &mut Ws) -> (Vec<Value>, String) {
    let mut received = Vec::new();
    loop {
        match ws.receive_or_interruption().await {
            Ok(mut message) => {
                let event = message["payload"]["data"]["stepEvents"].take();
                assert!(event.is_object(), "{message:#}");
                received.push(event);
            }
            Err((code, cursor)) => {
                assert_eq!(code, "FEED_LAGGED");
                return (received, cursor.unwrap());
            }
        }
    }
}

#[tokio::test]
async fn a_slow_client_delays_nobody_and_learns_where_to_resume() {
    let flags = [
        "--anonymous",
        "write",
        "--feed-queue-bytes",
        "300000",
        // This test is not about write timeouts.
        "--write-timeout-seconds",
        "600",
    ];
    let server = Server::with_flags(&flags).await;
    let (client, stepid, start) = one_step(&server).await;
    let mut slow = Ws::with_small_buffer(server.address).await;
    let mut fast = server.ws().await;
    for ws in [&mut slow, &mut fast] {
        ws.subscribe(&after(&start)).await;
    }
    // Both are past the backfill and share a subscription before one stops reading.
    for i in 0..3 {
        client.set_state(stepid, &long(i)).await;
        for ws in [&mut slow, &mut fast] {
            ws.event().await;
        }
    }
    let mut written = Vec::new();
    for i in 0..MANY {
        written.push(client.set_state(stepid, &long(i)).await);
        // The next event is written only after this one arrived, so delaying the fast subscriber
        // fails the test.
        assert_eq!(fast.event().await["cursor"], written[i].as_str());
    }
    let (mut received, resume) = read_to_lag(&mut slow).await;
    assert!(
        received.len() >= 16,
        "what was queued comes first: {}",
        received.len()
    );
    assert!(received.len() < MANY, "it was never cut off");
    assert_eq!(received.last().unwrap()["cursor"], resume.as_str());
    let mut ws = server.ws().await;
    ws.subscribe(&after(&resume)).await;
    received.extend(next_events(&mut ws, MANY - received.len()).await);
    for (i, (event, cursor)) in received.iter().zip(&written).enumerate() {
        assert_eq!(event["cursor"], cursor.as_str());
        let state = event["step"]["stateString"].as_str().unwrap();
        assert!(state == long(i), "event {i} shows the state of another");
    }
    let live = client.set_state(stepid, "live").await;
    assert_eq!(ws.event().await["cursor"], live.as_str());
}

#[tokio::test]
async fn a_lagging_subscriber_resumes_with_a_new_socket() {
    let flags = ["--anonymous", "write", "--feed-queue-bytes", "1"];
    let server = Server::with_flags(&flags).await;
    let (client, stepid, start) = one_step(&server).await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(&start)).await;
    let mut at = position(&json!(start));
    let sql = server.sql().await;
    // A batch that the tail dispatches at once exceeds a queue of one event.
    let batch = "UPDATE steps SET state_string = 'busy'; ".repeat(20);
    let mut lagged = 0;
    let mut last = at;
    for _ in 0..20 {
        sql.run(&format!("BEGIN; {batch} COMMIT")).await;
        last += 20;
        while at < last {
            let message = match ws.receive_or_interruption().await {
                Ok(message) => message,
                Err((code, cursor)) => {
                    assert_eq!(code, "FEED_LAGGED");
                    let cursor = cursor.unwrap();
                    assert_eq!(
                        position(&json!(cursor)),
                        at,
                        "it resumes behind what was heard last"
                    );
                    lagged += 1;
                    ws = server.ws().await;
                    ws.subscribe(&after(&cursor)).await;
                    continue;
                }
            };
            at += 1;
            let event = &message["payload"]["data"]["stepEvents"];
            assert_eq!(position(&event["cursor"]), at, "{message:#}");
        }
    }
    assert!(lagged > 0, "a queue of one was never full");
    client.set_state(stepid, "live").await;
    assert_eq!(position(&ws.event().await["cursor"]), last + 1);
}

#[tokio::test]
async fn a_client_that_never_reads_is_dropped() {
    let flags = [
        "--anonymous",
        "write",
        "--feed-queue-bytes",
        "300000",
        "--write-timeout-seconds",
        "1",
    ];
    let server = Server::with_flags(&flags).await;
    let (client, stepid, start) = one_step(&server).await;
    let before = server.handle.tasks();
    let mut deaf = Ws::with_small_buffer(server.address).await;
    let mut fast = server.ws().await;
    for ws in [&mut deaf, &mut fast] {
        ws.subscribe(&after(&start)).await;
    }
    for i in 0..MANY {
        let written = client.set_state(stepid, &long(i)).await;
        assert_eq!(fast.event().await["cursor"], written.as_str());
    }
    // The other socket stays, with its task and the shared subscription's.
    wait_for_tasks(&server, before + 2).await;
    assert_eq!(server.handle.tasks(), before + 2);
    let written = client.set_state(stepid, "still heard").await;
    assert_eq!(fast.event().await["cursor"], written.as_str());
    server.stop().await;
    // The server abandoned the socket without a close frame. Only what was in flight still arrives.
    while let Ok(Some(_)) = timeout(TIMEOUT, deaf.try_receive()).await {}
}

#[tokio::test]
async fn a_server_stops_while_a_client_reads_nothing() {
    let flags = ["--anonymous", "write", "--write-timeout-seconds", "600"];
    let server = Server::with_flags(&flags).await;
    let (client, stepid, start) = one_step(&server).await;
    let mut deaf = Ws::with_small_buffer(server.address).await;
    deaf.subscribe(&after(&start)).await;
    for i in 0..MANY {
        client.set_state(stepid, &long(i)).await;
    }
    let handle = server.handle.clone();
    server.stop().await;
    assert_eq!(handle.tasks(), 0, "a socket outlived the server");
    drop(deaf);
}

/// A few different numbers, the same in every run.
fn dice(seed: usize) -> impl FnMut(usize) -> usize {
    let mut state = u64::try_from(seed)
        .unwrap()
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        | 1;
    move |sides| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % sides
    }
}

#[tokio::test]
async fn subscribers_that_come_and_go_leave_no_tasks() {
    let server = Server::start().await;
    let (client, stepid, start) = one_step(&server).await;
    let before = server.handle.tasks();
    let stop = CancellationToken::new();
    let writer = tokio::spawn({
        let (client, stop) = (client.clone(), stop.clone());
        async move {
            while !stop.is_cancelled() {
                client.set_state(stepid, "busy").await;
            }
        }
    });
    let mut coming = tokio::task::JoinSet::new();
    for i in 0..200 {
        let (address, start) = (server.address, start.clone());
        coming.spawn(async move {
            let mut roll = dice(i);
            sleep(Duration::from_millis(roll(500) as u64)).await;
            let mut ws = Ws::connect(address).await;
            let arguments = match roll(3) {
                0 => String::new(),
                1 => "(snapshot: true)".to_owned(),
                _ => after(&start),
            };
            ws.subscribe(&arguments).await;
            let mut at = None;
            for _ in 0..roll(12) {
                let next = position(&ws.event().await["cursor"]);
                // A change that the snapshot shows already, though it had no position yet, is left
                // out after it.
                let may_skip = kind() != Kind::Sqlite && arguments.contains("snapshot");
                let follows = |at| next == at + 1 || may_skip && next > at;
                assert!(at.is_none_or(follows), "{next} behind {at:?}");
                at = Some(next);
            }
            match roll(3) {
                0 => {
                    ws.send(json!({ "id": "1", "type": "complete" })).await;
                }
                1 => ws.socket.close(None).await.unwrap(),
                // Drops the socket.
                _ => {}
            }
        });
    }
    while let Some(came) = coming.join_next().await {
        came.unwrap();
    }
    stop.cancel();
    writer.await.unwrap();
    wait_for_tasks(&server, before).await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(&newest_cursor(&client).await)).await;
    let written = client.set_state(stepid, "next").await;
    assert_eq!(ws.event().await["cursor"], written.as_str());
}
