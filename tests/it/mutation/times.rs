//! Times in whatever order: which spans they make on every path, and how far ahead they may lie.

use buildbot_graphql::testing::Clock;
use proptest::{
    prelude::RngExt,
    test_runner::{RngAlgorithm, TestRng},
};
use serde_json::{Value, json};

use super::{FINISH, LOCKS, START};
use crate::{
    feed::newest_cursor,
    support::{client::Client, server::Server},
};

const DAY: i64 = 86_400;
const NOW: i64 = 1_800_000_000;
const SPANS: &str = "stepid startedAt locksAcquiredAt completeAt durationS lockWaitS";

/// What the reference knows of a step.
#[derive(Clone, Copy, Default)]
struct Known {
    started: Option<i64>,
    locked: Option<i64>,
    completed: Option<i64>,
}

impl Known {
    fn span(self, end: Option<i64>) -> Option<i64> {
        Some(end? - self.started?).filter(|span| *span >= 0)
    }

    fn fields(self, stepid: i64) -> Value {
        let text = |time: Option<i64>| {
            let time = time.map(|t| chrono::DateTime::from_timestamp(t, 0).unwrap());
            time.map(|t| t.format("%Y-%m-%dT%H:%M:%SZ").to_string())
        };
        json!({
            "stepid": stepid,
            "startedAt": text(self.started), "locksAcquiredAt": text(self.locked), "completeAt": text(self.completed),
            "durationS": self.span(self.completed), "lockWaitS": self.span(self.locked),
        })
    }
}

/// Steps that are changed at random, and what the server must say of them.
struct Random {
    rng: TestRng,
    clock: Clock,
    now: i64,
    steps: Vec<(i64, Known)>,
}

impl Random {
    fn below(&mut self, n: i64) -> i64 {
        self.rng.random_range(0..n)
    }

    /// A time on either side of the clock, and sometimes the furthest that is taken; `None` leaves
    /// it to the clock.
    fn time(&mut self) -> Option<i64> {
        match self.below(8) {
            0 => None,
            1 => Some(self.now + DAY),
            2 => Some(0),
            _ => Some(self.now + self.below(40) - 20),
        }
    }

    /// Changes one step, and returns the fields that the answer and its event must have.
    async fn change(&mut self, client: &Client) -> Value {
        // Clocks are also set back.
        self.now += self.below(20) - 5;
        self.clock.set(self.now);
        let at = usize::try_from(self.below(4)).unwrap();
        let (stepid, mut known) = self.steps[at];
        let (query, variables) = match self.below(3) {
            0 => {
                let (time, locks) = (self.time(), self.below(2) == 0);
                known.started = time.or(Some(self.now));
                if locks {
                    known.locked = known.started;
                }
                (START, json!({ "s": stepid, "t": time, "l": locks }))
            }
            1 => {
                let time = self.time();
                known.locked = time.or(Some(self.now));
                (LOCKS, json!({ "s": stepid, "t": time }))
            }
            _ => {
                known.completed = Some(self.now);
                (FINISH, json!({ "s": stepid, "r": "SUCCESS" }))
            }
        };
        self.steps[at].1 = known;
        let expected = known.fields(stepid);
        let done = client.data(query, variables).await["done"]["step"].take();
        for (name, value) in done.as_object().unwrap() {
            if let Some(expected) = expected.get(name) {
                assert_eq!(value, expected, "{name} of {done}");
            }
        }
        expected
    }

    fn all(&self) -> Vec<Value> {
        let fields = |(stepid, known): &(i64, Known)| known.fields(*stepid);
        self.steps.iter().map(fields).collect()
    }

    /// The sum of the waits of all steps.
    fn waited(&self) -> i64 {
        let wait = |(_, known): &(i64, Known)| known.span(known.locked);
        let sum: i64 = self.steps.iter().filter_map(wait).sum();
        // An Int holds no more.
        sum.min(i32::MAX.into())
    }
}

/// Checks every path by which a query reaches the steps.
async fn check_paths(client: &Client, build: i64, random: &Random) {
    let all = random.all();
    let query = format!(
        "query($b: Int!, $s: Int!) {{ build(buildid: $b) {{ locksDurationS steps {{ {SPANS} }} }}
           steps {{ nodes {{ id {SPANS} }} }} step(stepid: $s) {{ {SPANS} }} }}"
    );
    let (stepid, _) = random.steps[0];
    let mut data = client
        .data(&query, json!({ "b": build, "s": stepid }))
        .await;
    assert_eq!(data["build"]["steps"], json!(all));
    assert_eq!(data["build"]["locksDurationS"], random.waited());
    assert_eq!(data["step"], all[0]);
    let nodes = data["steps"]["nodes"].as_array_mut().unwrap();
    let ids: Vec<Value> = nodes
        .iter_mut()
        .map(|node| node.as_object_mut().unwrap().remove("id").unwrap())
        .collect();
    assert_eq!(*nodes, all);
    let query =
        format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Step {{ {SPANS} }} }} }}");
    let data = client.data(&query, json!({ "ids": ids })).await;
    assert_eq!(data["nodes"], json!(all));
}

/// Checks each order by a time, page by page, and a filter on it.
async fn check_orders(client: &Client, random: &Random) {
    type Time = fn(&Known) -> Option<i64>;
    let orders: [(&str, &str, Time); 2] = [
        ("STARTED_AT", "startedAt", |known| known.started),
        ("COMPLETE_AT", "completeAt", |known| known.completed),
    ];
    for (order, field, time) in orders {
        let mut expected = random.steps.clone();
        expected.sort_by_key(|(stepid, known)| (time(known), *stepid));
        let query = format!(
            "query($a: String, $n: DateTime!) {{
               steps(first: 1, after: $a, orderBy: [{{ field: {order}, direction: ASC }}]) {{ edges {{ cursor node {{ {SPANS} }} }} }}
               late: steps(where: {{ {field}: {{ gt: $n }} }}) {{ nodes {{ {SPANS} }} }} }}"
        );
        let mut cursor = Value::Null;
        for (stepid, known) in &expected {
            let variables = json!({ "a": cursor, "n": random.now });
            let mut data = client.data(&query, variables).await;
            let mut edge = data["steps"]["edges"][0].take();
            assert_eq!(edge["node"], known.fields(*stepid), "{order}");
            cursor = edge["cursor"].take();
            let late = random.steps.iter();
            let late = late.filter(|(_, known)| time(known) > Some(random.now));
            let late: Vec<Value> = late.map(|(stepid, known)| known.fields(*stepid)).collect();
            assert_eq!(data["late"]["nodes"], json!(late), "{field}");
        }
    }
}

#[tokio::test]
async fn spans_are_the_references_on_every_path_and_never_negative() {
    let clock = Clock::fixed(NOW);
    let server = Server::build(&["--anonymous", "write"], None, clock.clone(), None).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let mut steps = Vec::new();
    for name in ["a", "b", "c", "d"] {
        steps.push((client.new_step(build, name).await.0, Known::default()));
    }
    let mut random = Random {
        rng: TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]),
        clock,
        now: NOW,
        steps,
    };
    let mut ws = server.ws().await;
    let start = newest_cursor(&client).await;
    let query = format!("subscription {{ stepEvents(after: {start:?}) {{ step {{ {SPANS} }} }} }}");
    ws.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } }))
        .await;
    let mut null = 0;
    for round in 0..120 {
        let expected = random.change(&client).await;
        let event = ws.event().await;
        assert_eq!(event["step"], expected);
        null += usize::from(expected["durationS"].is_null() && !expected["completeAt"].is_null());
        if round % 10 == 9 {
            check_paths(&client, build, &random).await;
            check_orders(&client, &random).await;
        }
    }
    assert!(
        null > 10,
        "hardly a step completed before its start: {null}"
    );
}

#[tokio::test]
async fn a_time_more_than_a_day_ahead_is_refused() {
    let server = Server::build(&["--anonymous", "write"], None, Clock::fixed(NOW), None).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    for (query, argument, column) in [
        (START, "startedAt", "started_at"),
        (LOCKS, "locksAcquiredAt", "locks_acquired_at"),
    ] {
        for (bad, text) in [
            (json!(NOW + DAY + 1), "2027-01-16T08:00:01Z"),
            (json!("2027-01-16T09:00:01+01:00"), "2027-01-16T08:00:01Z"),
            (json!("9999-12-31T23:59:59Z"), "9999-12-31T23:59:59Z"),
        ] {
            let (code, message) = client.error(query, json!({ "s": step, "t": bad })).await;
            assert_eq!(code, "BAD_USER_INPUT", "{message}");
            let expected = format!(
                "{argument}: a time at most a day ahead of the server's clock, \
                 which says 2027-01-15T08:00:00Z, got {text}"
            );
            assert_eq!(message, expected);
        }
        let written = format!("SELECT COUNT(*) AS n FROM steps WHERE {column} IS NOT NULL");
        assert_eq!(server.sql().await.number(&written).await, 0);
        for good in [
            json!(NOW + DAY),
            json!("2027-01-16T08:00:00.9Z"),
            json!(NOW),
            json!(0),
        ] {
            client.data(query, json!({ "s": step, "t": good })).await;
        }
    }
}

#[tokio::test]
async fn what_was_taken_under_a_key_is_told_again_by_a_clock_that_was_set_back() {
    let clock = Clock::fixed(NOW);
    let server = Server::build(&["--anonymous", "write"], None, clock.clone(), None).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    let post = async |key: &str| -> Value {
        let body = json!({ "query": START, "variables": { "s": step, "t": NOW + DAY } });
        let request = client.http.post(&client.url).json(&body);
        let response = request.header("Idempotency-Key", key).send().await.unwrap();
        response.json().await.unwrap()
    };
    let first = post("k").await;
    assert!(first.get("errors").is_none(), "{first:#}");
    clock.set(NOW - 60);
    assert_eq!(post("k").await, first);
    let other = post("other").await;
    assert_eq!(
        other["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
        "{other:#}"
    );
    // A refusal is not kept.
    clock.set(NOW);
    let later = post("other").await;
    assert!(later.get("errors").is_none(), "{later:#}");
}
