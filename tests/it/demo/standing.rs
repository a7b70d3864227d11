//! `--demo-at`: a demo that stands still.

use serde_json::{Value, json};

use super::stop;
use crate::{
    cli::run,
    support::{client::Client, database::Database, process::Process, sql::Sql},
};

const AT: &str = "2026-11-27T12:00:00Z";
/// The same in seconds since the epoch.
const AT_S: i64 = 1_795_780_800;

/// All builders, builds and steps.
async fn rows(database: &Database) -> Vec<Value> {
    let sql = Sql::open(database).await;
    let mut rows = Vec::new();
    for (table, columns) in [
        ("builders", "id, name, description"),
        (
            "builds",
            "id, number, builderid, started_at, complete_at, locks_duration_s, state_string, \
             results",
        ),
        (
            "steps",
            "id, number, name, buildid, started_at, locks_acquired_at, complete_at, \
             state_string, results, urls_json, hidden",
        ),
    ] {
        let query = format!("SELECT json_array({columns}) AS json FROM {table} ORDER BY id");
        rows.extend(sql.rows(&query).await);
    }
    rows
}

const RUNNING: &str = "{ builds(last: 50, where: { complete: false }) { nodes {
    startedAt stateString expectedCompleteAt builder { name }
    steps { name startedAt locksAcquiredAt completeAt stateString } } } }";

#[tokio::test]
async fn a_demo_that_stands_still_is_always_the_same() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let database = Database::fresh().await;
        for _ in 0..2 {
            let server = Process::start(&database, &["--demo", "--demo-at", AT]).await;
            let client = Client::new(server.address);
            seen.push((client.data(RUNNING, json!({})).await, rows(&database).await));
            stop(server, "TERM").await;
        }
    }
    let (running, rows) = &seen[0];
    assert!(rows.len() > 2_000, "{}", rows.len());
    for other in &seen[1..] {
        assert!(other == &seen[0], "{:#}\n{running:#}", other.0);
    }
    let builds = running["builds"]["nodes"].as_array().unwrap();
    assert!((5..12).contains(&builds.len()), "{running:#}");
    let mut waiting = Vec::new();
    let mut holding = Vec::new();
    for build in builds {
        assert_eq!(build["stateString"], "building");
        let steps = build["steps"].as_array().unwrap();
        let (last, earlier) = steps.split_last().unwrap();
        assert!(earlier.iter().all(|step| step["completeAt"].is_string()));
        assert_eq!(last["completeAt"], Value::Null, "{build:#}");
        assert!(last["startedAt"].as_str().unwrap() <= AT, "{build:#}");
        let is_waiting = last["locksAcquiredAt"].is_null();
        assert_eq!(is_waiting, last["stateString"] == "waiting for a lock");
        if is_waiting {
            waiting.push(build["builder"]["name"].as_str().unwrap());
        } else if last["locksAcquiredAt"] != last["startedAt"] {
            holding.push(build["builder"]["name"].as_str().unwrap());
        }
    }
    assert_eq!((waiting, holding), (vec!["benchmarks"], vec!["nightly"]));
}

#[tokio::test]
async fn the_history_ends_at_the_time_that_is_given() {
    let database = Database::fresh().await;
    let server = Process::start(&database, &["--demo", "--demo-at", AT]).await;
    let sql = Sql::open(&database).await;
    let newest = "SELECT json_array(MAX(started_at), MAX(complete_at)) AS json FROM builds";
    let newest = &sql.rows(newest).await[0];
    for time in newest.as_array().unwrap() {
        let time = time.as_i64().unwrap();
        assert!((AT_S - 3_600..=AT_S).contains(&time), "{newest}");
    }
    let query = "{ builders { nodes { name builds(where: { complete: true }) { totalCount } } } }";
    let client = Client::new(server.address);
    let data = client.data(query, json!({})).await;
    for builder in data["builders"]["nodes"].as_array().unwrap() {
        assert_eq!(builder["builds"]["totalCount"], 24, "{builder}");
    }
    // Ids are in the order of times.
    let order = "SELECT json_array(id) AS json FROM builds ORDER BY started_at, builderid";
    let order = sql.rows(order).await;
    let ids: Vec<_> = order.iter().map(|row| row[0].as_i64().unwrap()).collect();
    assert!(ids.iter().take(288).copied().eq(1..=288), "{ids:?}");
    // What a caller writes has the server's time.
    let build = client.add_build("own").await;
    let query = "query($id: Int!) { build(buildid: $id) { startedAt } }";
    let started = client.data(query, json!({ "id": build })).await["build"]["startedAt"].clone();
    assert!(started.as_str().unwrap() > AT, "{started}");
    stop(server, "TERM").await;
}

#[tokio::test]
async fn a_wrong_time_is_refused() {
    for (flags, word) in [
        (&["--demo-at", AT][..], "--demo"),
        (
            &["--demo", "--demo-at", "yesterday"],
            "2026-11-27T12:00:00Z",
        ),
    ] {
        let (code, _, stderr) = run(&[&["serve"], flags].concat()).await;
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(word), "{stderr}");
    }
}
