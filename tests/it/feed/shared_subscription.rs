//! Identical subscriptions share one execution of each event, and every subscriber receives every
//! event.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use buildbot_graphql::testing::{Clock, OnStatement};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    feed::newest_cursor,
    support::{TIMEOUT, client::Client, server::Server, ws::Ws},
};

mod documents;
mod joining;

/// Selects a field that events do not carry, so that each execution queries the database for a
/// build.
const SUBSCRIPTION: &str = "subscription($after: EventCursor, $of: Int, $snapshot: Boolean = false) { \
     stepEvents(after: $after, snapshot: $snapshot, where: { buildid: $of }) { \
     cursor kind step { stepid name stateString build { number } } } }";

/// A server with two builds of one step each. It counts builds that are read for a field, and reads
/// of the feed's bounds, which accompany every read of the event table but the tail's.
struct CountingServer {
    server: Server,
    client: Client,
    builds: [i64; 2],
    steps: [i64; 2],
    reads: Arc<AtomicUsize>,
    ends: Arc<AtomicUsize>,
}

impl CountingServer {
    async fn start(flags: &[&str]) -> Self {
        let (reads, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (reads_of_watch, ends_of_watch) = (reads.clone(), ends.clone());
        let watch: OnStatement = Box::new(move |sql| {
            let sql = sql.replace('`', "\"");
            // Executions at the same moment share a statement, to which each brings its key.
            let keys = sql.matches(['?', '$']).count();
            for (count, table, by) in [
                (&reads_of_watch, r#"FROM "builds" WHERE"#, keys),
                (&ends_of_watch, "AS oldest", 1),
            ] {
                if sql.contains(table) {
                    count.fetch_add(by, SeqCst);
                }
            }
        });
        let flags = [&["--anonymous", "write"], flags].concat();
        let server = Server::build(&flags, None, Clock::System, Some(watch)).await;
        let client = server.client();
        let builds = [client.add_build("a").await, client.add_build("b").await];
        let steps = [
            client.new_step(builds[0], "s").await.0,
            client.new_step(builds[1], "s").await.0,
        ];
        Self {
            server,
            client,
            builds,
            steps,
            reads,
            ends,
        }
    }

    /// A socket that subscribes under its own id.
    async fn subscriber(&self, id: &str, variables: Value) -> Ws {
        let mut ws = self.server.ws().await;
        let payload = json!({ "query": SUBSCRIPTION, "variables": variables });
        ws.send(json!({ "id": id, "type": "subscribe", "payload": payload }))
            .await;
        ws
    }

    /// Changes a build's step, waits until all these sockets receive the event, and returns how
    /// often a build was read for it.
    async fn deliver(&self, build: usize, all: &mut [Ws]) -> usize {
        let before = self.reads.load(SeqCst);
        let written = self.client.set_state(self.steps[build], "busy").await;
        for ws in all {
            assert_eq!(ws.event().await["cursor"], written.as_str());
        }
        self.reads.load(SeqCst) - before
    }

    /// Writes until no subscriber executes alone, so that each event is read once per shared
    /// subscription.
    async fn settle(&self, build: usize, all: &mut [Ws], shared: usize) {
        let settled = async { while self.deliver(build, all).await != shared {} };
        assert!(timeout(TIMEOUT, settled).await.is_ok(), "they never join");
    }

    /// Waits until this many shared subscriptions are live.
    async fn wait_for_shared(&self, count: usize) {
        let reached = async {
            while self.server.handle.shared_subscriptions() != count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let shared = timeout(TIMEOUT, reached).await;
        assert!(
            shared.is_ok(),
            "{} groups, not {count}",
            self.server.handle.shared_subscriptions()
        );
    }
}

#[tokio::test]
async fn two_hundred_subscribers_share_one_execution() {
    let counting = CountingServer::start(&[]).await;
    let start = newest_cursor(&counting.client).await;
    let variables = json!({ "after": start, "of": counting.builds[0] });
    let mut all = Vec::new();
    for i in 0..200 {
        let id = format!("member {i}");
        all.push(counting.subscriber(&id, variables.clone()).await);
    }
    counting.settle(0, &mut all, 1).await;
    counting.wait_for_shared(1).await;
    let before = counting.reads.load(SeqCst);
    for i in 0..10 {
        let text = format!("state {i}");
        let written = counting.client.set_state(counting.steps[0], &text).await;
        let mut first = None;
        for (i, ws) in all.iter_mut().enumerate() {
            let message = ws.receive().await;
            assert_eq!(message["id"], format!("member {i}"));
            let event = &message["payload"]["data"]["stepEvents"];
            assert_eq!(event["cursor"], written.as_str());
            assert_eq!(event["step"]["stateString"], text.as_str());
            assert_eq!(event, first.get_or_insert_with(|| event.clone()));
        }
    }
    assert_eq!(counting.reads.load(SeqCst) - before, 10);
}

#[tokio::test]
async fn subscriptions_are_shared_by_variables_other_than_the_start() {
    let counting = CountingServer::start(&[]).await;
    let start = newest_cursor(&counting.client).await;
    let later = counting.client.set_state(counting.steps[0], "missed").await;
    let of = counting.builds[0];
    let mut early = counting
        .subscriber("1", json!({ "after": start, "of": of }))
        .await;
    assert_eq!(early.event().await["cursor"], later.as_str());
    let mut shown = counting
        .subscriber("1", json!({ "of": of, "snapshot": true }))
        .await;
    assert_eq!(shown.event().await["kind"], "SNAPSHOT");
    let mut late = counting
        .subscriber("1", json!({ "after": later, "of": of }))
        .await;
    let mut same = vec![early, shown];
    counting.settle(0, &mut same, 1).await;
    while late.event().await["cursor"] != newest_cursor(&counting.client).await.as_str() {}
    same.push(late);
    counting.settle(0, &mut same, 1).await;
    counting.wait_for_shared(1).await;

    let start = newest_cursor(&counting.client).await;
    // These match the same events with another selection.
    let everything = counting
        .subscriber("1", json!({ "after": start, "of": null }))
        .await;
    same.push(everything);
    counting.settle(0, &mut same, 2).await;
    counting.wait_for_shared(2).await;
    let other = json!({ "after": newest_cursor(&counting.client).await, "of": counting.builds[1] });
    let mut other = vec![counting.subscriber("1", other).await];
    counting.wait_for_shared(3).await;
    // Subscribers without a filter receive both builds' events.
    let everything = same.pop().unwrap();
    other.push(everything);
    counting.settle(1, &mut other, 2).await;
}

#[tokio::test]
async fn events_of_another_build_cost_nothing() {
    let counting = CountingServer::start(&[]).await;
    let start = newest_cursor(&counting.client).await;
    let variables = json!({ "after": start, "of": counting.builds[0] });
    let mut all = vec![counting.subscriber("1", variables).await];
    counting.settle(0, &mut all, 1).await;
    let before = counting.reads.load(SeqCst);
    for _ in 0..50 {
        assert_eq!(counting.deliver(1, &mut []).await, 0);
    }
    assert_eq!(counting.deliver(0, &mut all).await, 1);
    assert_eq!(counting.reads.load(SeqCst) - before, 1);
}

#[tokio::test]
async fn a_shared_subscription_ends_with_its_last_subscriber() {
    let counting = CountingServer::start(&[]).await;
    let tasks = counting.server.handle.tasks();
    // Two shared subscriptions may be live before the first of these starts, which must miss
    // nothing.
    let start = newest_cursor(&counting.client).await;
    let variables = |of: usize| json!({ "after": start, "of": counting.builds[of] });
    let mut first = counting.subscriber("1", variables(0)).await;
    let second = counting.subscriber("1", variables(0)).await;
    let other = counting.subscriber("1", variables(1)).await;
    counting.wait_for_shared(2).await;
    drop(other);
    counting.wait_for_shared(1).await;
    drop(second);
    // One subscription ends by `complete` on a socket that stays open.
    let mut both = [first];
    counting.settle(0, &mut both, 1).await;
    [first] = both;
    first.send(json!({ "id": "1", "type": "complete" })).await;
    counting.wait_for_shared(0).await;
    drop(first);
    let gone = async {
        while counting.server.handle.tasks() > tasks {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(TIMEOUT, gone).await.is_ok(), "a task has stayed");
    // A new subscriber starts a new shared subscription.
    let mut all = [counting
        .subscriber(
            "1",
            json!({ "after": newest_cursor(&counting.client).await }),
        )
        .await];
    counting.settle(1, &mut all, 1).await;
    counting.wait_for_shared(1).await;
}

#[tokio::test]
async fn an_error_of_the_feed_carries_a_cursor_to_resume_from() {
    let counting = CountingServer::start(&[]).await;
    let variables = |after: &str| json!({ "after": after, "of": counting.builds[0] });
    let start = newest_cursor(&counting.client).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(counting.subscriber("1", variables(&start)).await);
    }
    counting.settle(0, &mut all, 1).await;
    let last = counting
        .client
        .set_state(counting.steps[0], "the last")
        .await;
    for ws in &mut all {
        assert_eq!(ws.event().await["cursor"], last.as_str());
    }
    counting.server.handle.end_subscriptions();
    counting.wait_for_shared(0).await;
    let missed = counting.client.set_state(counting.steps[0], "missed").await;
    for ws in &mut all {
        let interruption = ws.receive_or_interruption().await.unwrap_err();
        assert_eq!(interruption, ("UNAVAILABLE".to_owned(), Some(last.clone())));
    }
    let mut again = counting.subscriber("1", variables(&last)).await;
    assert_eq!(again.event().await["cursor"], missed.as_str());
}

#[tokio::test]
async fn an_event_with_a_failed_field_does_not_end_the_stream() {
    let counting = CountingServer::start(&[]).await;
    let start = newest_cursor(&counting.client).await;
    let mut all = vec![counting.subscriber("1", json!({ "after": start })).await];
    counting.settle(0, &mut all, 1).await;
    let sql = counting.server.sql().await;
    sql.disable_foreign_keys().await;
    sql.run(&format!(
        "DELETE FROM builds WHERE id = {}",
        counting.builds[1]
    ))
    .await;
    sql.run(&format!(
        "UPDATE steps SET state_string = 'lost' WHERE id = {}",
        counting.steps[1]
    ))
    .await;
    let written = counting.client.set_state(counting.steps[0], "next").await;
    let message = all[0].receive().await;
    let payload = &message["payload"];
    assert_eq!(message["type"], "next");
    assert_eq!(payload["data"], Value::Null);
    assert_eq!(
        payload["errors"][0]["path"],
        json!(["stepEvents", "step", "build"])
    );
    assert_eq!(payload["errors"][0]["extensions"]["code"], "NOT_FOUND");
    assert_eq!(all[0].event().await["cursor"], written.as_str());
}
