//! Replays update-method calls that were traced on a real Buildbot through our mutations. Each
//! returns the step and makes the event that Buildbot's did, unless a rule of ours refuses it.
//! `TRACE=path` replays another file of the same form.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicI64, Ordering},
};

use buildbot_graphql::testing::Clock;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use crate::support::{
    client::Client,
    database::{Kind, kind},
    server::Server,
    sql::Sql,
};

mod call;
mod model;

use call::{Call, STEP};
use model::{Build, Known, as_answered};

const KINDS: [&str; 4] = ["new", "started", "updated", "finished"];
/// The id that the traces use for a missing build.
const NO_BUILD: i64 = 9_999;

#[derive(Debug, Default, PartialEq)]
struct Tally {
    accepted: usize,
    refused: usize,
    skipped: usize,
    /// How many accepted calls were compared with the traced step itself.
    compared: usize,
}

struct Replay {
    client: Client,
    sql: Sql,
    received: AtomicI64,
    builds: HashMap<i64, Build>,
    /// Steps by the trace's ids. None where we refused to add the step.
    steps: HashMap<i64, Option<Known>>,
    tally: Tally,
}

impl Replay {
    /// The events since the last call of this function: kind and step.
    async fn events(&self) -> Vec<(usize, i64)> {
        let since = self.received.load(Ordering::Relaxed);
        let position = self.sql.position_column();
        let rows = self.sql.rows(&format!(
            "SELECT json_array({position}, kind, stepid) AS json FROM graphql_events WHERE noun = 4 AND {position} > {since} ORDER BY {position}"
        )).await;
        if let Some(last) = rows.last() {
            self.received
                .store(last[0].as_i64().unwrap(), Ordering::Relaxed);
        }
        let number = |value: &Value| value.as_i64().unwrap();
        rows.iter()
            .map(|row| (usize::try_from(number(&row[1])).unwrap(), number(&row[2])))
            .collect()
    }

    async fn refused(&mut self, call: &Call, code: &str, line: &Value) {
        let response = call.send(&self.client).await;
        assert_eq!(
            response["errors"][0]["extensions"]["code"], code,
            "{line}\n{response:#}"
        );
        assert_eq!(self.events().await, [], "{line}");
        self.tally.refused += 1;
    }

    /// The step in the response to a call that must succeed, and its one event.
    async fn accepted(&mut self, call: &Call, line: &Value) -> Value {
        let mut response = call.send(&self.client).await;
        assert!(response.get("errors").is_none(), "{line}\n{response:#}");
        let step = response["data"]["done"]["step"].take();
        let kind = call.method.kind;
        assert_eq!(
            self.events().await,
            [(kind, step["stepid"].as_i64().unwrap())],
            "{line}"
        );
        if let Some(event) = line["events"].as_array().unwrap().last() {
            assert!(
                event["key"].as_str().unwrap().ends_with(KINDS[kind - 1]),
                "{line}"
            );
        }
        self.tally.accepted += 1;
        step
    }

    async fn add(&mut self, call: &Call, clock: i64, line: &Value) {
        let traced = line["returned"][0].as_i64();
        let buildid = call
            .given
            .get("buildid")
            .and_then(Value::as_i64)
            .unwrap_or_default();
        let known = self.builds.contains_key(&buildid);
        if let Some(code) = call.refusal(clock).or((!known).then_some("NOT_FOUND")) {
            self.refused(call, code, line).await;
            if let Some(id) = traced {
                self.steps.insert(id, None);
                self.builds
                    .entry(buildid)
                    .and_modify(|build| build.as_traced = false);
            }
            return;
        }
        let step = self.accepted(call, line).await;
        let build = self.builds.get_mut(&buildid).unwrap();
        let expected = build.add(buildid, call.text("name"));
        let id = step["stepid"].as_i64().unwrap();
        assert_eq!(step, as_answered(&expected, id), "{line}");
        build.as_traced &= traced.is_some();
        let Some(traced) = traced else { return };
        if build.as_traced {
            assert_eq!(step, as_answered(&line["step"], id), "{line}");
            self.tally.compared += 1;
        }
        let known = Known {
            id,
            step: expected,
            as_traced: build.as_traced,
        };
        self.steps.insert(traced, Some(known));
    }

    async fn change(&mut self, mut call: Call, clock: i64, line: &Value) {
        let traced = call
            .given
            .get("stepid")
            .and_then(Value::as_i64)
            .unwrap_or_default();
        let known = self.steps.remove(&traced);
        if matches!(known, Some(None)) {
            self.tally.skipped += 1;
            self.steps.insert(traced, None);
            return;
        }
        let mut known = known.flatten();
        if let Some(known) = &known {
            call.given["stepid"] = known.id.into();
        }
        // A call that Buildbot refused too changed nothing there, unless it could not read what it
        // had written.
        let failed = line.get("error").is_some() && line["step"].get("read_error").is_none();
        match (call.refusal(clock), &mut known) {
            (None, Some(known)) => {
                let step = self.accepted(&call, line).await;
                known.change(&call, clock);
                assert_eq!(step, as_answered(&known.step, known.id), "{line}");
                known.as_traced &= !failed;
                if known.as_traced {
                    assert_eq!(step, as_answered(&line["step"], known.id), "{line}");
                    self.tally.compared += 1;
                }
            }
            (code, known) => {
                self.refused(&call, code.unwrap_or("NOT_FOUND"), line).await;
                if let Some(known) = known {
                    let read = format!("query($s: Int!) {{ step(stepid: $s) {{ {STEP} }} }}");
                    let left = self.client.data(&read, json!({ "s": known.id })).await;
                    assert_eq!(left["step"], as_answered(&known.step, known.id), "{line}");
                    known.as_traced &= failed;
                }
            }
        }
        if let Some(known) = known {
            self.steps.insert(traced, Some(known));
        }
    }

    /// Calls that Buildbot received concurrently.
    async fn run_concurrent(&mut self, name: &str, line: &Value) {
        let args = line["args"].as_array().unwrap();
        let calls: Vec<Call> = if name == "addStepURL" {
            let known = self.steps[&args[0].as_i64().unwrap()].as_ref().unwrap();
            let urls = line["step"]["urls"].as_array().unwrap();
            let call = |link: &Value| {
                Call::new(
                    name,
                    &[known.id.into(), link["name"].clone(), link["url"].clone()],
                    &Map::new(),
                )
            };
            urls.iter().map(call).collect()
        } else {
            let made = line["returned"].as_array().unwrap();
            made.iter()
                .map(|_| Call::new(name, args, &Map::new()))
                .collect()
        };
        let (client, kind) = (&self.client, calls[0].method.kind);
        let responses = join_all(calls.iter().map(|call| call.send(client))).await;
        let steps: Vec<&Value> = responses
            .iter()
            .map(|response| &response["data"]["done"]["step"])
            .collect();
        let kinds: Vec<usize> = self.events().await.iter().map(|event| event.0).collect();
        assert_eq!(kinds, vec![kind; calls.len()], "{line}");
        // Their order is chance; their result is not.
        if name == "addStepURL" {
            let longest = steps
                .iter()
                .max_by_key(|step| step["urls"].as_array().unwrap().len())
                .unwrap();
            let id = longest["stepid"].as_i64().unwrap();
            assert_eq!(
                sorted((*longest)["urls"].as_array().unwrap()),
                sorted(line["step"]["urls"].as_array().unwrap()),
                "{line}"
            );
            let mut unordered = as_answered(&line["step"], id);
            unordered["urls"] = longest["urls"].clone();
            assert_eq!(**longest, unordered, "{line}");
        } else {
            let made: Vec<Value> = steps
                .iter()
                .map(|step| json!([step["number"], step["name"]]))
                .collect();
            let traced: Vec<Value> = line["returned"]
                .as_array()
                .unwrap()
                .iter()
                .map(|made| json!([made[1], made[2]]))
                .collect();
            assert_eq!(sorted(&made), traced, "{line}");
        }
        self.tally.accepted += calls.len();
        self.tally.compared += calls.len();
    }
}

fn sorted(values: &[Value]) -> Vec<Value> {
    let mut values = values.to_vec();
    values.sort_by_key(Value::to_string);
    values
}

#[tokio::test]
async fn traced_calls_make_the_same_steps_and_events() {
    let other = std::env::var("TRACE").ok();
    let own = match kind() {
        Kind::Sqlite => "updates",
        Kind::Postgres => "updates-postgresql",
        Kind::Mariadb => "updates-mysql-innodb",
    };
    let own = format!("{}/tests/data/{own}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(other.as_ref().unwrap_or(&own)).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();

    let clock = Clock::fixed(0);
    let server = Server::build(&["--anonymous", "write"], None, clock.clone(), None).await;
    let sql = server.sql().await;
    sql.run("INSERT INTO builders (id, name, name_hash) VALUES (1, 'b', 'b')")
        .await;
    let mut builds = HashMap::new();
    for line in &lines {
        let first = line["args"].get(0).unwrap_or(&line["kwargs"]["buildid"]);
        let is_add = line["method"].as_str().unwrap().starts_with("addStep")
            && !line["method"].as_str().unwrap().contains("URL");
        let Some(id) = first
            .as_i64()
            .filter(|id| is_add && *id != NO_BUILD && !builds.contains_key(id))
        else {
            continue;
        };
        sql.run(&format!(
            "INSERT INTO builds (id, number, builderid, started_at, locks_duration_s, state_string) VALUES ({id}, {id}, 1, 0, 0, '')"
        )).await;
        builds.insert(
            id,
            Build {
                names: Vec::new(),
                as_traced: true,
            },
        );
    }
    let client = server.client();
    let mut replay = Replay {
        client,
        sql,
        received: AtomicI64::new(0),
        builds,
        steps: HashMap::new(),
        tally: Tally::default(),
    };

    for line in &lines {
        let seconds = line["clock"].as_f64().unwrap().floor();
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds")]
        let now = seconds as i64;
        clock.set(now);
        let name = line["method"].as_str().unwrap();
        if let Some((name, _)) = name.split_once(" x") {
            replay.run_concurrent(name, line).await;
            continue;
        }
        let call = Call::new(
            name,
            line["args"].as_array().unwrap(),
            line["kwargs"].as_object().unwrap(),
        );
        if call.method.mutation == "newStep" {
            replay.add(&call, now, line).await;
        } else {
            replay.change(call, now, line).await;
        }
    }
    let tally = replay.tally;
    if other.is_some() {
        assert!(tally.compared > 0 && tally.refused > 0, "{tally:?}");
    } else {
        let expected = Tally {
            accepted: 89,
            refused: 59,
            skipped: 0,
            // MariaDB compares names without case and has no characters above U+FFFF, so four
            // responses differ.
            compared: if kind() == Kind::Mariadb { 57 } else { 61 },
        };
        assert_eq!(tally, expected);
    }
}
