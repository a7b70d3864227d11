//! Joining a shared subscription and falling behind it: nothing is delivered twice or lost, and
//! events in memory are not read again.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::CountingServer;
use crate::feed::{event_log, newest_cursor, position, summary};

#[tokio::test]
async fn an_idle_shared_subscription_delivers_the_next_event() {
    let counting = CountingServer::start(&[]).await;
    let variables =
        json!({ "after": newest_cursor(&counting.client).await, "of": counting.builds[0] });
    let mut all = vec![counting.subscriber("1", variables).await];
    counting.settle(0, &mut all, 1).await;
    for _ in 0..2 {
        // Longer than a shared subscription without events keeps its stream.
        sleep(Duration::from_millis(1_500)).await;
        assert_eq!(counting.deliver(0, &mut all).await, 1);
        assert_eq!(counting.deliver(0, &mut all).await, 1);
    }
}

#[tokio::test]
async fn a_subscriber_slightly_behind_needs_no_database_read() {
    let counting = CountingServer::start(&[]).await;
    let of = counting.builds[0];
    let start = newest_cursor(&counting.client).await;
    let mut all = vec![
        counting
            .subscriber("1", json!({ "after": start, "of": of }))
            .await,
    ];
    counting.settle(0, &mut all, 1).await;
    let behind = newest_cursor(&counting.client).await;
    for _ in 0..3 {
        counting.deliver(0, &mut all).await;
        counting.deliver(1, &mut []).await;
    }
    let before = counting.ends.load(SeqCst);
    let first = position(&json!(behind)) + 1;
    for _ in 0..20 {
        let mut ws = counting
            .subscriber("1", json!({ "after": behind, "of": of }))
            .await;
        for at in [first, first + 2, first + 4] {
            assert_eq!(position(&ws.event().await["cursor"]), at);
        }
        all.push(ws);
    }
    assert_eq!(counting.ends.load(SeqCst), before);
    counting.settle(0, &mut all, 1).await;
    // Further back than the events kept in memory: more than a megabyte ago.
    let step = counting.steps[0];
    let sql = counting.server.sql().await;
    let long = format!(
        "UPDATE steps SET state_string = '{}' WHERE id = {step}",
        "x".repeat(50_000)
    );
    let from = position(&json!(newest_cursor(&counting.client).await));
    for i in 1..=40 {
        sql.run(&long).await;
        assert_eq!(position(&all[0].event().await["cursor"]), from + i);
    }
    let mut ws = counting
        .subscriber("1", json!({ "after": behind, "of": of }))
        .await;
    let mut logged = event_log(&sql, first - 1).await;
    logged.retain(|event| event[2] == step);
    for event in logged {
        assert_eq!(summary(&ws.event().await), event);
    }
    assert!(counting.ends.load(SeqCst) > before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_that_come_and_go_receive_each_event_once() {
    let counting = CountingServer::start(&[]).await;
    let stop = CancellationToken::new();
    let mut writers = JoinSet::new();
    for build in [0, 0, 1] {
        let (client, stop) = (counting.client.clone(), stop.clone());
        let stepid = counting.steps[build];
        writers.spawn(async move {
            while !stop.is_cancelled() {
                client.set_state(stepid, "busy").await;
            }
        });
    }
    let sql = counting.server.sql().await;
    let mut tasks = JoinSet::new();
    let mut received = Vec::new();
    for i in 0..200 {
        if tasks.len() == 16 {
            received.push(tasks.join_next().await.unwrap().unwrap());
        }
        // At times the shared subscription exists already and is ahead; at others it has to be
        // started.
        if i % 50 == 0 {
            while let Some(done) = tasks.join_next().await {
                received.push(done.unwrap());
            }
        }
        let start = newest_cursor(&counting.client).await;
        let start = [None, Some(start)][i % 2].clone();
        let mut ws = counting
            .subscriber("1", json!({ "after": start, "of": counting.builds[0] }))
            .await;
        tasks.spawn(async move {
            let mut events = Vec::new();
            for _ in 0..20 + i % 7 {
                events.push(summary(&ws.event().await));
            }
            (start.map(|start| position(&json!(start))), events)
        });
    }
    while let Some(done) = tasks.join_next().await {
        received.push(done.unwrap());
    }
    stop.cancel();
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let mut all = event_log(&sql, 0).await;
    all.retain(|event| event[2] == counting.steps[0]);
    assert_eq!(received.len(), 200);
    for (start, events) in received {
        let start = start.unwrap_or_else(|| events[0][0].as_i64().unwrap() - 1);
        let rest = all
            .iter()
            .filter(|event| event[0].as_i64().unwrap() > start);
        let rest: Vec<Value> = rest.take(events.len()).cloned().collect();
        assert_eq!(events, rest, "behind {start}");
    }
    counting.wait_for_shared(0).await;
}

#[tokio::test]
async fn a_burst_beyond_the_shared_queue_is_delivered() {
    // Five events fill the shared subscription's queue, and fourteen short responses fill a
    // subscriber's.
    let counting = CountingServer::start(&["--feed-queue-bytes", "2000"]).await;
    let mut all = Vec::new();
    let mut at = position(&json!(newest_cursor(&counting.client).await));
    for _ in 0..3 {
        let mut ws = counting.server.ws().await;
        let payload = json!({
            "query": "subscription($after: EventCursor) { stepEvents(after: $after) { cursor } }",
            "variables": { "after": newest_cursor(&counting.client).await },
        });
        ws.send(json!({ "id": "1", "type": "subscribe", "payload": payload }))
            .await;
        all.push(ws);
    }
    counting.wait_for_shared(1).await;
    let sql = counting.server.sql().await;
    let burst = "UPDATE steps SET state_string = 'busy' WHERE id = 1; ".repeat(10);
    for _ in 0..10 {
        sql.run(&format!("BEGIN; {burst} COMMIT")).await;
        for ws in &mut all {
            for i in 1..=10 {
                assert_eq!(position(&ws.event().await["cursor"]), at + i);
            }
        }
        at += 10;
    }
}
