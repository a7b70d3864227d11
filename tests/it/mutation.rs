//! Mutations: the result of many concurrent writers, and what an update returns, overwrites and
//! publishes.

use std::collections::BTreeSet;

use buildbot_graphql::testing::Clock;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{client::Client, database::Database, process::Process, server::Server};

mod builder_info;
mod rules;
mod scopes;
mod times;

const NEW: &str = "mutation($b: Int!, $n: String!) { newStep(buildid: $b, name: $n) { cursor step { stepid number name } } }";
const LINK: &str = "mutation($s: Int!, $n: String!, $u: String!) { addStepURL(stepid: $s, name: $n, url: $u) { cursor step { urls { name url } } } }";
const START: &str = "mutation($s: Int!, $t: DateTime, $l: Boolean! = false) { done: startStep(stepid: $s, startedAt: $t, locksAcquired: $l) { step { startedAt locksAcquiredAt complete completeAt results lockWaitS durationS } } }";
const LOCKS: &str = "mutation($s: Int!, $t: DateTime) { done: setStepLocksAcquiredAt(stepid: $s, locksAcquiredAt: $t) { step { startedAt locksAcquiredAt complete completeAt results lockWaitS durationS } } }";
const FINISH: &str = "mutation($s: Int!, $r: Results!, $h: Boolean! = false) { done: finishStep(stepid: $s, results: $r, hidden: $h) { step { startedAt complete completeAt results hidden durationS } } }";

/// The names and numbers of twenty steps with one name, requested concurrently from these servers
/// in turn.
async fn twenty(clients: &[Client], build: i64) -> BTreeSet<(i64, String)> {
    let asked =
        (0..20).map(|i| clients[i % clients.len()].data(NEW, json!({ "b": build, "n": "name" })));
    let made = join_all(asked).await;
    let got = |response: &Value| {
        let step = &response["newStep"]["step"];
        (
            step["number"].as_i64().unwrap(),
            step["name"].as_str().unwrap().to_owned(),
        )
    };
    made.iter().map(got).collect()
}

/// The first step keeps the name, and each later one gets the next suffix.
fn numbered() -> BTreeSet<(i64, String)> {
    let name = |n| {
        if n == 0 {
            "name".to_owned()
        } else {
            format!("name_{n}")
        }
    };
    (0..20).map(|n| (n, name(n))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_concurrent_steps_of_one_name_are_numbered() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    assert_eq!(twenty(&[client], build).await, numbered());
    let kept = server
        .sql()
        .await
        .number("SELECT COUNT(*) AS n FROM steps")
        .await;
    assert_eq!(kept, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_concurrent_steps_through_two_processes_are_numbered() {
    let database = Database::fresh().await;
    let one = Process::start(&database, &[]).await;
    let two = Process::start(&database, &[]).await;
    let clients = [Client::new(one.address), Client::new(two.address)];
    let build = clients[0].add_build("b").await;
    assert_eq!(twenty(&clients, build).await, numbered());
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_concurrent_links_are_all_kept() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    let link = |i: usize| json!({ "s": step, "n": format!("n{i}"), "u": format!("https://example.org/{i}") });
    join_all((0..20).map(|i| client.data(LINK, link(i)))).await;
    // Again, all concurrently: nothing is added, and each makes an event.
    let again = join_all((0..20).map(|_| client.data(LINK, link(7)))).await;
    let urls = again[19]["addStepURL"]["step"]["urls"].as_array().unwrap();
    let names: BTreeSet<&str> = urls
        .iter()
        .map(|url| url["name"].as_str().unwrap())
        .collect();
    assert_eq!((urls.len(), names.len()), (20, 20), "{urls:?}");
    let sql = server.sql().await;
    let events = sql
        .number("SELECT COUNT(*) AS n FROM graphql_events WHERE noun = 4 AND kind = 3")
        .await;
    assert_eq!(events, 40);
    let kept = sql.rows("SELECT urls_json AS json FROM steps").await;
    assert_eq!(kept[0].as_array(), Some(urls));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_builder_is_created_once_and_its_builds_count_from_1() {
    let server = Server::start().await;
    let client = server.client();
    let find = "mutation($n: String!) { findBuilder(name: $n) { builderid name } }";
    let found = join_all((0..20).map(|_| client.data(find, json!({ "n": "linux ü" })))).await;
    assert!(found.iter().all(|f| *f == found[0]), "{found:?}");
    assert_eq!(found[0]["findBuilder"]["name"], "linux ü");
    assert_eq!(client.data(find, json!({ "n": "linux ü" })).await, found[0]);
    let other = client.data(find, json!({ "n": "Linux ü" })).await;
    assert_ne!(
        other["findBuilder"]["builderid"],
        found[0]["findBuilder"]["builderid"]
    );

    let add = "mutation($b: Int!) { addBuild(builderid: $b) { build { number builderid complete results stateString startedAt } } }";
    for builder in [&found[0], &other] {
        let id = &builder["findBuilder"]["builderid"];
        let added = join_all((0..20).map(|_| client.data(add, json!({ "b": id })))).await;
        let builds = added.iter().map(|a| &a["addBuild"]["build"]);
        let numbers: BTreeSet<i64> = builds
            .clone()
            .map(|b| b["number"].as_i64().unwrap())
            .collect();
        assert_eq!(numbers, (1..=20).collect());
        for build in builds {
            assert_eq!(
                (&build["builderid"], &build["complete"], &build["results"]),
                (id, &json!(false), &Value::Null)
            );
        }
    }
}

#[tokio::test]
async fn a_build_is_updated_and_finished() {
    let clock = Clock::fixed(1_000);
    let server = Server::build(&["--anonymous", "write"], None, clock.clone(), None).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let state = "mutation($b: Int!, $t: String!) { setBuildStateString(buildid: $b, stateString: $t) { build { stateString complete } } }";
    let updated = client
        .data(state, json!({ "b": build, "t": "halb ü\nfertig" }))
        .await;
    assert_eq!(
        updated["setBuildStateString"]["build"],
        json!({ "stateString": "halb ü\nfertig", "complete": false })
    );
    let finish = "mutation($b: Int!, $r: Results!) { finishBuild(buildid: $b, results: $r) { build { startedAt completeAt complete results stateString } } }";
    for (now, results, text) in [
        (1_060, "WARNINGS", "1970-01-01T00:17:40Z"),
        (1_120, "FAILURE", "1970-01-01T00:18:40Z"),
    ] {
        clock.set(now);
        let ended = client
            .data(finish, json!({ "b": build, "r": results }))
            .await;
        let expected = json!({
            "startedAt": "1970-01-01T00:16:40Z", "completeAt": text, "complete": true, "results": results,
            "stateString": "halb ü\nfertig",
        });
        assert_eq!(ended["finishBuild"]["build"], expected);
    }
}

#[tokio::test]
async fn updates_overwrite_values_and_clear_none() {
    let clock = Clock::fixed(100);
    let server = Server::build(&["--anonymous", "write"], None, clock.clone(), None).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    let done = async |query: &str, variables: Value| {
        client.data(query, variables).await["done"]["step"].take()
    };
    let at = |seconds: i64| format!("1970-01-01T00:{:02}:{:02}Z", seconds / 60, seconds % 60);

    // Started with all locks held, then started again, which keeps the locks' date.
    let started = done(START, json!({ "s": step, "l": true })).await;
    assert_eq!(
        (&started["startedAt"], &started["lockWaitS"]),
        (&json!(at(100)), &json!(0))
    );
    let again = done(START, json!({ "s": step, "t": 90 })).await;
    assert_eq!(
        (&again["startedAt"], &again["locksAcquiredAt"]),
        (&json!(at(90)), &json!(at(100)))
    );

    for (now, results, hidden) in [(160, "FAILURE", true), (170, "SUCCESS", false)] {
        clock.set(now);
        let ended = done(FINISH, json!({ "s": step, "r": results, "h": hidden })).await;
        let expected = json!({
            "startedAt": at(90), "complete": true, "completeAt": at(now), "results": results, "hidden": hidden,
            "durationS": now - 90,
        });
        assert_eq!(ended, expected);
    }
    // After the end every update is still accepted, and the end stays.
    let locks = done(LOCKS, json!({ "s": step })).await;
    assert_eq!(locks["locksAcquiredAt"], at(170));
    let restarted = done(
        START,
        json!({ "s": step, "t": "1970-01-01T01:02:00.9+01:00" }),
    )
    .await;
    assert_eq!(restarted["startedAt"], at(120));
    assert_eq!(
        (&restarted["completeAt"], &restarted["results"]),
        (&json!(at(170)), &json!("SUCCESS"))
    );
    client.set_state(step, "late").await;
    let left = client
        .data(
            "query($s: Int!) { step(stepid: $s) { stateString complete results } }",
            json!({ "s": step }),
        )
        .await;
    assert_eq!(
        left["step"],
        json!({ "stateString": "late", "complete": true, "results": "SUCCESS" })
    );

    let kinds = server
        .sql()
        .await
        .rows("SELECT json_array(kind) AS json FROM graphql_events WHERE noun = 4 ORDER BY id")
        .await;
    assert_eq!(kinds, [1, 2, 2, 4, 4, 3, 2, 3].map(|kind| json!([kind])));
}

#[tokio::test]
async fn finishing_without_a_change_still_makes_an_event() {
    let server = Server::build(&["--anonymous", "write"], None, Clock::fixed(100), None).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    for _ in 0..2 {
        client.data(START, json!({ "s": step })).await;
    }
    for _ in 0..2 {
        client
            .data(FINISH, json!({ "s": step, "r": "SUCCESS" }))
            .await;
    }
    let kinds = server
        .sql()
        .await
        .rows("SELECT json_array(kind) AS json FROM graphql_events WHERE noun = 4 ORDER BY id")
        .await;
    assert_eq!(kinds, [1, 2, 2, 4, 4].map(|kind| json!([kind])));
}

#[tokio::test]
async fn a_build_sums_the_waits_of_its_steps() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let other = client.add_build("b").await;
    let sum = async || {
        let read = client
            .data("{ builds { nodes { locksDurationS } } }", json!({}))
            .await;
        let of = |i: usize| {
            read["builds"]["nodes"][i]["locksDurationS"]
                .as_i64()
                .unwrap()
        };
        (of(0), of(1))
    };
    let (one, _) = client.new_step(build, "one").await;
    let (two, _) = client.new_step(build, "two").await;
    let (far, _) = client.new_step(other, "far").await;
    for step in [one, two, far] {
        client.data(START, json!({ "s": step, "t": 100 })).await;
    }
    assert_eq!(sum().await, (0, 0));
    client.data(LOCKS, json!({ "s": one, "t": 107 })).await;
    client.data(LOCKS, json!({ "s": two, "t": 130 })).await;
    client.data(LOCKS, json!({ "s": far, "t": 101 })).await;
    assert_eq!(sum().await, (37, 1));
    // Repeating a date does not count the wait twice; a wait that ends before its start counts as
    // none.
    client.data(LOCKS, json!({ "s": two, "t": 110 })).await;
    assert_eq!(sum().await, (17, 1));
    client.data(LOCKS, json!({ "s": one, "t": 50 })).await;
    assert_eq!(sum().await, (10, 1));
}

#[tokio::test]
async fn mutations_of_one_document_run_in_order() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let query = "mutation($b: Int!) {
        a: newStep(buildid: $b, name: \"x\") { cursor step { stepid name } }
        b: newStep(buildid: $b, name: \"x\") { cursor step { name } }
        c: setStepStateString(stepid: 1, stateString: \"one\") { step { stateString } }
        d: setStepStateString(stepid: 1, stateString: \"two\") { step { stateString } }
    }";
    let made = client.data(query, json!({ "b": build })).await;
    assert_eq!(made["a"]["step"], json!({ "stepid": 1, "name": "x" }));
    assert_eq!(made["b"]["step"]["name"], "x_1");
    assert_eq!(made["c"]["step"]["stateString"], "one");
    assert_eq!(made["d"]["step"]["stateString"], "two");
}

#[tokio::test]
async fn a_failed_mutation_undoes_no_other() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let query = "mutation($b: Int!) {
        a: newStep(buildid: $b, name: \"before\") { cursor }
        b: newStep(buildid: 99, name: \"lost\") { cursor }
        c: setStepStateString(stepid: 99, stateString: \"lost\") { cursor }
    }";
    let response = client.execute(query, json!({ "b": build })).await;
    for (error, path) in [(0, "b"), (1, "c")] {
        let error = &response["errors"][error];
        assert_eq!(error["path"], json!([path]), "{response:#}");
        assert_eq!(error["extensions"]["code"], "NOT_FOUND");
    }
    // The response says which field was written, and where its event is.
    let cursor = client.data("{ eventCursor }", json!({})).await["eventCursor"].take();
    assert_eq!(
        response["data"],
        json!({ "a": { "cursor": cursor }, "b": null, "c": null })
    );
    let names = server
        .sql()
        .await
        .rows("SELECT json_array(name) AS json FROM steps")
        .await;
    assert_eq!(names, [json!(["before"])]);
}
