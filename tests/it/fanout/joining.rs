//! Joining a group, and falling behind: nothing is heard twice or left out, and what is in memory is not read again.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::Counted;
use crate::feed::{brief, log, now, position};

#[tokio::test]
async fn a_group_that_has_slept_hears_the_next_event() {
    let counted = Counted::start(&[]).await;
    let variables = json!({ "after": now(&counted.client).await, "of": counted.builds[0] });
    let mut all = vec![counted.member("1", variables).await];
    counted.settle(0, &mut all, 1).await;
    for _ in 0..2 {
        // Longer than a group that hears nothing keeps its stream.
        sleep(Duration::from_millis(1_500)).await;
        assert_eq!(counted.tell(0, &mut all).await, 1);
        assert_eq!(counted.tell(0, &mut all).await, 1);
    }
}

#[tokio::test]
async fn who_joins_a_little_behind_asks_the_database_nothing() {
    let counted = Counted::start(&[]).await;
    let of = counted.builds[0];
    let start = now(&counted.client).await;
    let mut all = vec![
        counted
            .member("1", json!({ "after": start, "of": of }))
            .await,
    ];
    counted.settle(0, &mut all, 1).await;
    let behind = now(&counted.client).await;
    for _ in 0..3 {
        counted.tell(0, &mut all).await;
        counted.tell(1, &mut []).await;
    }
    let before = counted.ends.load(SeqCst);
    let first = position(&json!(behind)) + 1;
    for _ in 0..20 {
        let mut ws = counted
            .member("1", json!({ "after": behind, "of": of }))
            .await;
        for at in [first, first + 2, first + 4] {
            assert_eq!(position(&ws.event().await["cursor"]), at);
        }
        all.push(ws);
    }
    assert_eq!(counted.ends.load(SeqCst), before);
    counted.settle(0, &mut all, 1).await;
    // Further back than what is kept: more than a megabyte ago.
    let step = counted.steps[0];
    let sql = counted.server.sql().await;
    let long = format!(
        "UPDATE steps SET state_string = '{}' WHERE id = {step}",
        "x".repeat(50_000)
    );
    let from = position(&json!(now(&counted.client).await));
    for i in 1..=40 {
        sql.run(&long).await;
        assert_eq!(position(&all[0].event().await["cursor"]), from + i);
    }
    let mut ws = counted
        .member("1", json!({ "after": behind, "of": of }))
        .await;
    let mut told = log(&sql, first - 1).await;
    told.retain(|event| event[2] == step);
    for event in told {
        assert_eq!(brief(&ws.event().await), event);
    }
    assert!(counted.ends.load(SeqCst) > before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_and_goes_while_all_moves_hears_each_event_once() {
    let counted = Counted::start(&[]).await;
    let stop = CancellationToken::new();
    let mut writers = JoinSet::new();
    for build in [0, 0, 1] {
        let (client, stop) = (counted.client.clone(), stop.clone());
        let stepid = counted.steps[build];
        writers.spawn(async move {
            while !stop.is_cancelled() {
                client.set_state(stepid, "busy").await;
            }
        });
    }
    let sql = counted.server.sql().await;
    let mut joining = JoinSet::new();
    let mut heard = Vec::new();
    for i in 0..200 {
        if joining.len() == 16 {
            heard.push(joining.join_next().await.unwrap().unwrap());
        }
        // Now the group is there already and ahead, now it has to be begun.
        if i % 50 == 0 {
            while let Some(done) = joining.join_next().await {
                heard.push(done.unwrap());
            }
        }
        let start = now(&counted.client).await;
        let start = [None, Some(start)][i % 2].clone();
        let mut ws = counted
            .member("1", json!({ "after": start, "of": counted.builds[0] }))
            .await;
        joining.spawn(async move {
            let mut events = Vec::new();
            for _ in 0..20 + i % 7 {
                events.push(brief(&ws.event().await));
            }
            (start.map(|start| position(&json!(start))), events)
        });
    }
    while let Some(done) = joining.join_next().await {
        heard.push(done.unwrap());
    }
    stop.cancel();
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let mut all = log(&sql, 0).await;
    all.retain(|event| event[2] == counted.steps[0]);
    assert_eq!(heard.len(), 200);
    for (start, events) in heard {
        let start = start.unwrap_or_else(|| events[0][0].as_i64().unwrap() - 1);
        let rest = all
            .iter()
            .filter(|event| event[0].as_i64().unwrap() > start);
        let rest: Vec<Value> = rest.take(events.len()).cloned().collect();
        assert_eq!(events, rest, "behind {start}");
    }
    counted.groups_are(0).await;
}

#[tokio::test]
async fn a_burst_that_is_more_than_a_groups_queue_holds_is_heard_all_the_same() {
    // Five events fill the group's, and fourteen answers as short as these a member's.
    let counted = Counted::start(&["--feed-queue-bytes", "2000"]).await;
    let mut all = Vec::new();
    let mut at = position(&json!(now(&counted.client).await));
    for _ in 0..3 {
        let mut ws = counted.server.ws().await;
        let payload = json!({
            "query": "subscription($after: EventCursor) { stepEvents(after: $after) { cursor } }",
            "variables": { "after": now(&counted.client).await },
        });
        ws.send(json!({ "id": "1", "type": "subscribe", "payload": payload }))
            .await;
        all.push(ws);
    }
    counted.groups_are(1).await;
    let sql = counted.server.sql().await;
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
