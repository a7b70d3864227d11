//! A writer of builders, builds and steps that notes what became of each update.

use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{feed::position, support::client::Client};

/// Acknowledged writes by position: the noun, the object's id and its state string.
pub(super) type Acknowledged = BTreeMap<i64, (String, i64, Option<String>)>;

/// What became of a writer's updates.
#[derive(Default)]
pub(super) struct Written {
    pub(super) acknowledged: Acknowledged,
    /// The states that the server said it had not written.
    pub(super) refused: HashSet<String>,
}

const FIND: &str = "mutation($n: String!) { findBuilder(name: $n) { builderid } }";
const DESCRIBE: &str = "mutation($id: Int!, $t: String!) { \
     answer: updateBuilderInfo(builderid: $id, tags: [$t]) { cursor builder { builderid } } }";
const ADD_BUILD: &str = "mutation($id: Int!) { \
     answer: addBuild(builderid: $id) { cursor build { buildid stateString } } }";
const SET_BUILD: &str = "mutation($id: Int!, $t: String!) { \
     answer: setBuildStateString(buildid: $id, stateString: $t) { cursor build { buildid stateString } } }";
const FINISH_BUILD: &str = "mutation($id: Int!) { \
     answer: finishBuild(buildid: $id, results: SUCCESS) { cursor build { buildid stateString } } }";
const ADD_STEP: &str = "mutation($id: Int!) { \
     answer: newStep(buildid: $id, name: \"s\") { cursor step { stepid stateString } } }";
const START: &str = "mutation($id: Int!) { \
     answer: startStep(stepid: $id, locksAcquired: false) { cursor step { stepid stateString } } }";
const LOCKS: &str = "mutation($id: Int!) { \
     answer: setStepLocksAcquiredAt(stepid: $id, locksAcquiredAt: \"2026-11-27T12:00:00Z\") { cursor step { stepid stateString } } }";
const SET_STEP: &str = "mutation($id: Int!, $t: String!) { \
     answer: setStepStateString(stepid: $id, stateString: $t) { cursor step { stepid stateString } } }";
const FINISH_STEP: &str = "mutation($id: Int!) { \
     answer: finishStep(stepid: $id, results: SUCCESS) { cursor step { stepid stateString } } }";

/// The objects that a writer has at hand.
#[derive(Default)]
struct Current {
    builder: Option<i64>,
    build: Option<i64>,
    step: Option<i64>,
}

/// Writes builds with their steps, alternating between the servers.
pub(super) async fn write(
    addresses: Arc<Vec<SocketAddr>>,
    number: usize,
    stop: CancellationToken,
    count: Arc<AtomicUsize>,
) -> Written {
    let clients: Vec<Client> = addresses.iter().map(|a| Client::new(*a)).collect();
    let (name, mut written) = (format!("w{number}"), Written::default());
    let mut current = Current::default();
    // Each begins elsewhere in the round, so that a few updates of many writers have all kinds.
    for i in number % 16.. {
        if stop.is_cancelled() {
            break;
        }
        let state = format!("{name} {i}");
        let Some((query, id)) = next_update(&mut current, i) else {
            let found = clients[i % clients.len()]
                .try_execute(FIND, json!({ "n": name }))
                .await;
            current.builder = found
                .ok()
                .and_then(|r| r["data"]["findBuilder"]["builderid"].as_i64());
            continue;
        };
        let mut variables = json!({ "id": id });
        if query.contains("$t") {
            variables["t"] = json!(state);
        }
        let client = &clients[(number + i) % clients.len()];
        // Without a response, the write may or may not have happened.
        let Ok(response) = client.try_execute(query, variables).await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        if let Some(error) = response["errors"].get(0) {
            let code = error["extensions"]["code"].as_str().unwrap();
            if code != "OUTCOME_UNKNOWN" {
                assert_eq!(code, "UNAVAILABLE", "{response:#}");
                written.refused.insert(state);
            }
            sleep(Duration::from_millis(20)).await;
            continue;
        }
        let payload = &response["data"]["answer"];
        let (noun, id, state) = read_payload(payload);
        match noun {
            "Build" => current.build = Some(id),
            "Step" => current.step = Some(id),
            _ => {}
        }
        let at = position(&payload["cursor"]);
        let before = written
            .acknowledged
            .insert(at, (noun.to_owned(), id, state));
        assert!(
            before.is_none(),
            "a position was given out twice: {before:?}"
        );
        count.fetch_add(1, Ordering::Relaxed);
    }
    written
}

/// The next update and the object that it is of; `None` where the builder must be found first.
fn next_update(current: &mut Current, i: usize) -> Option<(&'static str, i64)> {
    let builder = current.builder?;
    let (Some(build), true) = (current.build, !i.is_multiple_of(16)) else {
        *current = Current {
            builder: Some(builder),
            ..Current::default()
        };
        return Some((ADD_BUILD, builder));
    };
    let (Some(step), true) = (current.step, i % 8 != 1) else {
        return Some((ADD_STEP, build));
    };
    Some(match i % 16 {
        2 => (START, step),
        4 => (LOCKS, step),
        7 => (FINISH_STEP, step),
        8 => (DESCRIBE, builder),
        10 => (SET_BUILD, build),
        15 => (FINISH_BUILD, build),
        _ => (SET_STEP, step),
    })
}

/// The noun, the object's id and its state string.
fn read_payload(payload: &Value) -> (&'static str, i64, Option<String>) {
    for (noun, field, id) in [
        ("Builder", "builder", "builderid"),
        ("Build", "build", "buildid"),
        ("Step", "step", "stepid"),
    ] {
        if let Some(found) = payload[field][id].as_i64() {
            let state = payload[field]["stateString"].as_str();
            return (noun, found, state.map(str::to_owned));
        }
    }
    panic!("no object: {payload:#}")
}
