//! Two servers over one database and a foreign writer: names, numbers and links come out as if all
//! writes had been serial.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use buildbot_graphql::testing::Clock;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    client::Client,
    database::{Database, Kind, kind},
    server::Server,
    sql::Sql,
};

mod groups;
mod locks;

const WRITE: [&str; 2] = ["--anonymous", "write"];
const NEW: &str = "mutation($b: Int!, $n: String!) { done: newStep(buildid: $b, name: $n) { cursor step { stepid number name } } }";
const LINK: &str = "mutation($s: Int!, $n: String!) { done: addStepURL(stepid: $s, name: $n, url: \"https://example.org/\") { cursor } }";
const STATE: &str = "mutation($s: Int!, $t: String!) { done: setStepStateString(stepid: $s, stateString: $t) { cursor } }";

/// Two servers over a fresh database, with a client for each.
async fn two() -> (Server, Server, [Client; 2]) {
    let one = Server::with_flags(&WRITE).await;
    let other = one.peer(&WRITE).await;
    let clients = [one.client(), other.client()];
    (one, other, clients)
}

/// The responses to this many concurrent mutations, sent to the servers in turn.
async fn run_concurrently(
    clients: &[Client],
    count: usize,
    query: &str,
    variables: impl Fn(usize) -> Value,
) -> Vec<Value> {
    join_all((0..count).map(|i| clients[i % clients.len()].data(query, variables(i)))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_steps_get_distinct_names_and_numbers() {
    let (one, _other, clients) = two().await;
    let build = clients[0].add_build("b").await;
    for (round, name) in ["x", "y"].into_iter().enumerate() {
        let made = run_concurrently(&clients, 16, NEW, |_| json!({ "b": build, "n": name })).await;
        let got: BTreeSet<(u64, String)> = made
            .iter()
            .map(|response| {
                let step = &response["done"]["step"];
                (
                    step["number"].as_u64().unwrap(),
                    step["name"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        let suffixed = |i: u64| {
            if i == 0 {
                name.to_owned()
            } else {
                format!("{name}_{i}")
            }
        };
        let expected = (0..16)
            .map(|i| (16 * round as u64 + i, suffixed(i)))
            .collect();
        assert_eq!(got, expected);
        let cursors: BTreeSet<&str> = made
            .iter()
            .map(|a| a["done"]["cursor"].as_str().unwrap())
            .collect();
        assert_eq!(cursors.len(), 16);
    }
    let sql = one.sql().await;
    assert_eq!(
        sql.number("SELECT COUNT(*) AS n FROM graphql_events WHERE noun = 4")
            .await,
        32
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_builds_are_numbered_and_a_builder_is_created_once() {
    let (_one, _other, clients) = two().await;
    let find = "mutation($n: String!) { done: findBuilder(name: $n) { builderid } }";
    let found = run_concurrently(&clients, 16, find, |_| json!({ "n": "new" })).await;
    assert!(found.iter().all(|f| *f == found[0]), "{found:?}");
    let id = &found[0]["done"]["builderid"];
    let add = "mutation($b: Int!) { done: addBuild(builderid: $b) { build { number } } }";
    let added = run_concurrently(&clients, 16, add, |_| json!({ "b": id })).await;
    let numbers: BTreeSet<u64> = added
        .iter()
        .map(|a| a["done"]["build"]["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=16).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_concurrent_link_is_lost() {
    let (one, _other, clients) = two().await;
    let build = clients[0].add_build("b").await;
    let (step, _) = clients[0].new_step(build, "s").await;
    run_concurrently(
        &clients,
        24,
        LINK,
        |i| json!({ "s": step, "n": format!("n{i}") }),
    )
    .await;
    let read = "query($s: Int!) { step(stepid: $s) { urls { name } } }";
    let data = clients[1].data(read, json!({ "s": step })).await;
    let urls = data["step"]["urls"].as_array().unwrap();
    let names: BTreeSet<&str> = urls
        .iter()
        .map(|url| url["name"].as_str().unwrap())
        .collect();
    assert_eq!((urls.len(), names.len()), (24, 24), "{urls:?}");
    let updates = "SELECT COUNT(*) AS n FROM graphql_events WHERE noun = 4 AND kind = 3";
    assert_eq!(one.sql().await.number(updates).await, 24);
}

/// A foreign writer takes the number and name that `newStep` is about to write.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_taken_by_a_foreign_writer_is_skipped() {
    for has_keys in [true, false] {
        let log = Arc::new(Mutex::new(Vec::new()));
        let seen = log.clone();
        let server = Server::on(
            Database::fresh().await,
            &WRITE,
            Clock::System,
            Some(Box::new(move |sql| {
                seen.lock().unwrap().push(sql.to_owned());
            })),
        )
        .await;
        let client = server.client();
        let build = client.add_build("b").await;
        let (foreign, looking) = (server.sql().await, server.sql().await);
        if !has_keys {
            // With foreign keys disabled, this write does not touch the build, which `newStep`
            // locks.
            foreign.disable_foreign_keys().await;
        }
        foreign
            .run(&format!(
                "BEGIN; INSERT INTO steps (number, name, buildid, state_string, urls_json) VALUES (0, 'x', {build}, '', '[]')"
            ))
            .await;
        let asking = tokio::spawn({
            let client = client.clone();
            async move { client.data(NEW, json!({ "b": build, "n": "x" })).await }
        });
        looking.wait_until_blocked().await;
        foreign.run("COMMIT").await;
        let made = asking.await.unwrap()["done"]["step"].take();
        assert_eq!((&made["number"], &made["name"]), (&json!(1), &json!("x_1")));
        let log = log.lock().unwrap();
        let inserts = log
            .iter()
            .filter(|sql| sql.starts_with("INSERT INTO") && sql.contains("steps"))
            .count();
        // Without a refused write there was no conflict to test.
        let is_refused = match kind() {
            Kind::Sqlite => false,
            Kind::Postgres => true,
            Kind::Mariadb => !has_keys,
        };
        assert_eq!(inserts, if is_refused { 2 } else { 1 }, "{log:#?}");
    }
}

/// A foreign writer locks a step and then its build; the server locks the build and then the step.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_retried() {
    let server = Server::with_flags(&WRITE).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    let (foreign, looking) = (server.sql().await, server.sql().await);
    foreign
        .run(&format!(
            "BEGIN; UPDATE steps SET state_string = 'theirs' WHERE id = {step}"
        ))
        .await;
    let starting = tokio::spawn({
        let client = client.clone();
        let start = "mutation($s: Int!) { done: startStep(stepid: $s, startedAt: 5, locksAcquired: true) { step { startedAt } } }";
        async move { client.data(start, json!({ "s": step })).await }
    });
    looking.wait_until_blocked().await;
    // Whichever transaction the database aborts, the server's succeeds in the end.
    let is_done = foreign
        .try_run(&format!(
            "UPDATE builds SET state_string = 'theirs' WHERE id = {build}"
        ))
        .await;
    foreign
        .run(if is_done { "COMMIT" } else { "ROLLBACK" })
        .await;
    let started = starting.await.unwrap();
    assert_eq!(started["done"]["step"]["startedAt"], "1970-01-01T00:00:05Z");
    let starts = "SELECT COUNT(*) AS n FROM graphql_events WHERE kind = 2";
    assert_eq!(looking.number(starts).await, 1);
}

/// The server replaces connections that the database cuts. Until then it returns no error but
/// UNAVAILABLE, or `OUTCOME_UNKNOWN` for what may be written.
#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_are_replaced() {
    if kind() == Kind::Sqlite {
        // SQLite has no connections to cut.
        return;
    }
    let server = Server::with_flags(&WRITE).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, start) = client.new_step(build, "s").await;
    let sql = server.sql().await;
    let mut last = start;
    let mut ws = server.ws().await;
    ws.subscribe(&crate::feed::after(&last)).await;
    for round in 0..3 {
        let text = round.to_string();
        sql.kill_other_connections().await;
        let mut tries = 0;
        let cursor = loop {
            let response = client.execute(STATE, json!({ "s": step, "t": text })).await;
            let Some(error) = response["errors"].get(0) else {
                break response["data"]["done"]["cursor"]
                    .as_str()
                    .unwrap()
                    .to_owned();
            };
            let code = error["extensions"]["code"].as_str().unwrap();
            let expected = ["UNAVAILABLE", "OUTCOME_UNKNOWN"];
            assert!(expected.contains(&code), "{response:#}");
            tries += 1;
            assert!(tries < 20, "{response:#}");
        };
        // A write of unknown outcome may have been committed. A stream may end, and
        // resumes from its cursor.
        while last != cursor {
            match ws.receive_or_interruption().await {
                Ok(message) => {
                    let event = &message["payload"]["data"]["stepEvents"];
                    assert_eq!(event["step"]["stateString"], text, "{message:#}");
                    event["cursor"].as_str().unwrap().clone_into(&mut last);
                }
                Err((code, _)) => {
                    assert_eq!(code, "UNAVAILABLE");
                    ws = server.ws().await;
                    ws.subscribe(&crate::feed::after(&last)).await;
                }
            }
        }
    }
}

/// Numbers continue from the highest one, even if ids were lost in between.
#[tokio::test]
async fn a_gap_in_ids_leaves_no_gap_in_numbers() {
    let server = Server::with_flags(&WRITE).await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "a").await;
    let sql: Sql = server.sql().await;
    sql.run(&format!(
        "BEGIN; INSERT INTO steps (number, name, buildid, state_string, urls_json) VALUES (1, 'gone', {build}, '', '[]'); ROLLBACK"
    ))
    .await;
    let made = client.data(NEW, json!({ "b": build, "n": "b" })).await["done"]["step"].take();
    assert_eq!((&made["number"], &made["name"]), (&json!(1), &json!("b")));
}
