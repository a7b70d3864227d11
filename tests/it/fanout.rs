//! Subscribers who ask the same are one group: an event is executed once for all of them, and each hears every event all the same.

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
    feed::now,
    support::{PATIENCE, client::Client, server::Server, ws::Ws},
};

mod document;
mod joining;

/// Asks for something that is not in the event itself: whoever executes this asks the database for a build.
const ASKING: &str = "subscription($after: EventCursor, $of: Int, $snapshot: Boolean = false) { \
     stepEvents(after: $after, snapshot: $snapshot, where: { buildid: $of }) { \
     cursor kind step { stepid name stateString build { number } } } }";

/// A server with two builds of a step each, where the reads of builds for a field are counted, and those of the feed's ends,
/// which go with every read of its table but the tail's.
struct Counted {
    server: Server,
    client: Client,
    builds: [i64; 2],
    steps: [i64; 2],
    reads: Arc<AtomicUsize>,
    ends: Arc<AtomicUsize>,
}

impl Counted {
    async fn start(flags: &[&str]) -> Self {
        let (reads, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = [reads.clone(), ends.clone()];
        let watch: OnStatement = Box::new(move |sql| {
            let sql = sql.replace('`', "\"");
            let parts = [r#"FROM "builds" WHERE"#, "AS oldest"];
            for (count, table) in counts.iter().zip(parts) {
                count.fetch_add(usize::from(sql.contains(table)), SeqCst);
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

    /// A socket that subscribes under an id of its own.
    async fn member(&self, id: &str, variables: Value) -> Ws {
        let mut ws = self.server.ws().await;
        let payload = json!({ "query": ASKING, "variables": variables });
        ws.send(json!({ "id": id, "type": "subscribe", "payload": payload }))
            .await;
        ws
    }

    /// Changes the step of a build, which all of these hear next; says how often a build was read for that.
    async fn tell(&self, build: usize, all: &mut [Ws]) -> usize {
        let before = self.reads.load(SeqCst);
        let written = self.client.set_state(self.steps[build], "busy").await;
        for ws in all {
            assert_eq!(ws.event().await["cursor"], written.as_str());
        }
        self.reads.load(SeqCst) - before
    }

    /// Writes until nobody executes for himself any more, so that each event is read for so many groups.
    async fn settle(&self, build: usize, all: &mut [Ws], groups: usize) {
        let settled = async { while self.tell(build, all).await != groups {} };
        assert!(timeout(PATIENCE, settled).await.is_ok(), "they never join");
    }

    /// Waits until so many groups listen.
    async fn groups_are(&self, count: usize) {
        let reached = async {
            while self.server.handle.shared_subscriptions() != count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let groups = timeout(PATIENCE, reached).await;
        assert!(
            groups.is_ok(),
            "{} groups, not {count}",
            self.server.handle.shared_subscriptions()
        );
    }
}

#[tokio::test]
async fn two_hundred_hear_the_same_from_one_execution() {
    let counted = Counted::start(&[]).await;
    let start = now(&counted.client).await;
    let variables = json!({ "after": start, "of": counted.builds[0] });
    let mut all = Vec::new();
    for i in 0..200 {
        let id = format!("member {i}");
        all.push(counted.member(&id, variables.clone()).await);
    }
    counted.settle(0, &mut all, 1).await;
    counted.groups_are(1).await;
    let before = counted.reads.load(SeqCst);
    for i in 0..10 {
        let text = format!("state {i}");
        let written = counted.client.set_state(counted.steps[0], &text).await;
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
    assert_eq!(counted.reads.load(SeqCst) - before, 10);
}

#[tokio::test]
async fn where_to_begin_does_not_tell_groups_apart_and_other_variables_do() {
    let counted = Counted::start(&[]).await;
    let start = now(&counted.client).await;
    let later = counted.client.set_state(counted.steps[0], "missed").await;
    let of = counted.builds[0];
    let mut early = counted
        .member("1", json!({ "after": start, "of": of }))
        .await;
    assert_eq!(early.event().await["cursor"], later.as_str());
    let mut shown = counted
        .member("1", json!({ "of": of, "snapshot": true }))
        .await;
    assert_eq!(shown.event().await["kind"], "SNAPSHOT");
    let mut late = counted
        .member("1", json!({ "after": later, "of": of }))
        .await;
    let mut same = vec![early, shown];
    counted.settle(0, &mut same, 1).await;
    while late.event().await["cursor"] != now(&counted.client).await.as_str() {}
    same.push(late);
    counted.settle(0, &mut same, 1).await;
    counted.groups_are(1).await;

    let start = now(&counted.client).await;
    // The same events, but it was asked for otherwise.
    let everything = counted
        .member("1", json!({ "after": start, "of": null }))
        .await;
    same.push(everything);
    counted.settle(0, &mut same, 2).await;
    counted.groups_are(2).await;
    let other = json!({ "after": now(&counted.client).await, "of": counted.builds[1] });
    let mut other = vec![counted.member("1", other).await];
    counted.groups_are(3).await;
    // Both builds' events go to who asked for everything.
    let everything = same.pop().unwrap();
    other.push(everything);
    counted.settle(1, &mut other, 2).await;
}

#[tokio::test]
async fn events_of_another_build_cost_a_subscriber_nothing() {
    let counted = Counted::start(&[]).await;
    let start = now(&counted.client).await;
    let variables = json!({ "after": start, "of": counted.builds[0] });
    let mut all = vec![counted.member("1", variables).await];
    counted.settle(0, &mut all, 1).await;
    let before = counted.reads.load(SeqCst);
    for _ in 0..50 {
        assert_eq!(counted.tell(1, &mut []).await, 0);
    }
    assert_eq!(counted.tell(0, &mut all).await, 1);
    assert_eq!(counted.reads.load(SeqCst) - before, 1);
}

#[tokio::test]
async fn a_group_ends_with_its_last_member() {
    let counted = Counted::start(&[]).await;
    let tasks = counted.server.handle.tasks();
    // Two groups may listen before the first of these has begun: it must miss nothing.
    let start = now(&counted.client).await;
    let variables = |of: usize| json!({ "after": start, "of": counted.builds[of] });
    let mut first = counted.member("1", variables(0)).await;
    let second = counted.member("1", variables(0)).await;
    let other = counted.member("1", variables(1)).await;
    counted.groups_are(2).await;
    drop(other);
    counted.groups_are(1).await;
    drop(second);
    // One by an end of its own, on a socket that stays.
    let mut both = [first];
    counted.settle(0, &mut both, 1).await;
    [first] = both;
    first.send(json!({ "id": "1", "type": "complete" })).await;
    counted.groups_are(0).await;
    drop(first);
    let gone = async {
        while counted.server.handle.tasks() > tasks {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, gone).await.is_ok(), "a task has stayed");
    // Who comes now begins anew.
    let mut all = [counted
        .member("1", json!({ "after": now(&counted.client).await }))
        .await];
    counted.settle(1, &mut all, 1).await;
    counted.groups_are(1).await;
}

#[tokio::test]
async fn who_is_told_that_the_feed_fails_hears_where_to_go_on() {
    let counted = Counted::start(&[]).await;
    let variables = |after: &str| json!({ "after": after, "of": counted.builds[0] });
    let start = now(&counted.client).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(counted.member("1", variables(&start)).await);
    }
    counted.settle(0, &mut all, 1).await;
    let last = counted.client.set_state(counted.steps[0], "the last").await;
    for ws in &mut all {
        assert_eq!(ws.event().await["cursor"], last.as_str());
    }
    counted.server.handle.end_subscriptions();
    counted.groups_are(0).await;
    let missed = counted.client.set_state(counted.steps[0], "missed").await;
    for ws in &mut all {
        let message = ws.receive().await;
        let errors = [&message["payload"]["errors"][0], &message["payload"][0]];
        let error = errors.into_iter().find(|error| error.is_object());
        let error = error.unwrap_or_else(|| panic!("{message:#}"));
        assert_eq!(error["path"], json!(["stepEvents"]));
        assert_eq!(error["extensions"]["code"], "UNAVAILABLE");
        assert_eq!(error["extensions"]["cursor"], last.as_str());
    }
    let mut again = counted.member("1", variables(&last)).await;
    assert_eq!(again.event().await["cursor"], missed.as_str());
}

#[tokio::test]
async fn an_event_whose_field_fails_is_told_and_the_next_one_too() {
    let counted = Counted::start(&[]).await;
    let start = now(&counted.client).await;
    let mut all = vec![counted.member("1", json!({ "after": start })).await];
    counted.settle(0, &mut all, 1).await;
    let sql = counted.server.sql().await;
    sql.forget_foreign_keys().await;
    sql.run(&format!(
        "DELETE FROM builds WHERE id = {}",
        counted.builds[1]
    ))
    .await;
    sql.run(&format!(
        "UPDATE steps SET state_string = 'lost' WHERE id = {}",
        counted.steps[1]
    ))
    .await;
    let written = counted.client.set_state(counted.steps[0], "next").await;
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
