//! Rows that are kept in memory: whoever was told of a change never reads a row as it was before.

mod checker;

use serde_json::{Value, json};

use crate::{
    observability::metrics::samples,
    support::{client::Client, database::on_sqlite, server::Server, wait_until},
};

const BUILD: &str = "{ build(buildid: 1) { stateString locksDurationS builder { name tags } \
                     steps { stepid number stateString } } }";

/// A server with a builder, a build and two steps.
async fn with_steps(flags: &[&str]) -> (Server, Client) {
    let server = Server::with_flags(flags).await;
    let client = server.client();
    client.add_build("b").await;
    client.new_step(1, "a").await;
    client.new_step(1, "b").await;
    (server, client)
}

/// A counter or gauge.
async fn counter(client: &Client, name: &str) -> f64 {
    samples(client).await[name]
}

/// Asks until nothing of the answer is read from the database.
pub(crate) async fn warm(client: &Client, query: &str) -> Value {
    wait_until(async || {
        let before = samples(client).await;
        client.data(query, json!({})).await;
        let after = samples(client).await;
        let grown = |name: &str| after[name] - before[name];
        grown("cache_hits_total") > 0.0 && grown("cache_misses_total") <= 0.0
    })
    .await;
    client.data(query, json!({})).await
}

#[tokio::test]
async fn a_row_that_has_not_changed_is_read_once() {
    let (_server, client) = with_steps(&["--anonymous", "write"]).await;
    for query in [
        BUILD,
        "{ step(stepid: 1) { name } }",
        "{ builder(builderid: 1) { build(number: 1) { buildid } } }",
        "{ builder(builderid: 1) { builds(last: 5) { nodes { buildid } } } }",
    ] {
        warm(&client, query).await;
    }
    assert!(counter(&client, "cache_bytes").await > 0.0);
}

#[tokio::test]
async fn without_room_nothing_is_kept() {
    let (_server, client) = with_steps(&["--anonymous", "write", "--cache-bytes", "0"]).await;
    for _ in 0..20 {
        client.data(BUILD, json!({})).await;
    }
    let samples = samples(&client).await;
    for name in ["cache_hits_total", "cache_misses_total", "cache_bytes"] {
        assert!(samples[name] <= 0.0, "{name}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_kept() {
    let (_server, client) = with_steps(&["--anonymous", "write", "--cache-bytes", "1000"]).await;
    for _ in 0..20 {
        client.data(BUILD, json!({})).await;
    }
    assert!(counter(&client, "cache_bytes").await <= 0.0);
}

#[tokio::test]
async fn each_update_shows_in_the_next_answer() {
    let (_server, client) = with_steps(&["--anonymous", "write"]).await;
    let state = |text: &str| format!("stateString: {text:?}");
    for round in 0..5 {
        let text = format!("state {round}");
        let updates = [
            format!(
                "setStepStateString(stepid: 1, {}) {{ cursor }}",
                state(&text)
            ),
            format!(
                "setBuildStateString(buildid: 1, {}) {{ cursor }}",
                state(&text)
            ),
            format!("updateBuilderInfo(builderid: 1, tags: [{text:?}]) {{ cursor }}"),
            "newStep(buildid: 1, name: \"more\") { cursor }".to_owned(),
        ];
        for update in updates {
            let before = warm(&client, BUILD).await;
            client
                .data(&format!("mutation {{ {update} }}"), json!({}))
                .await;
            let after = client.data(BUILD, json!({})).await;
            assert_ne!(before, after, "{update}");
        }
    }
}

#[tokio::test]
async fn a_steps_start_shows_in_its_build() {
    let (_server, client) = with_steps(&["--anonymous", "write"]).await;
    let before = warm(&client, BUILD).await;
    let start = "mutation { startStep(stepid: 1, locksAcquired: false, \
                 startedAt: \"2020-01-01T00:00:00Z\") { cursor } }";
    client.data(start, json!({})).await;
    let locks = "mutation { setStepLocksAcquiredAt(stepid: 1, \
                 locksAcquiredAt: \"2020-01-01T00:01:00Z\") { step { build { locksDurationS } } } }";
    let done = client.data(locks, json!({})).await;
    let told = &done["setStepLocksAcquiredAt"]["step"]["build"]["locksDurationS"];
    assert_eq!(*told, 60, "{before}");
    let after = client.data(BUILD, json!({})).await;
    assert_eq!(after["build"]["locksDurationS"], 60);
}

#[tokio::test]
async fn whoever_has_a_cursor_reads_nothing_older() {
    let (server, client) = with_steps(&["--anonymous", "write"]).await;
    client.add_build("c").await;
    let sql = server.sql().await;
    let lists = "{ eventCursor a: build(buildid: 1) { stateString steps { stepid stateString } } \
                 b: build(buildid: 2) { steps { stepid } } }";
    for round in 0..10 {
        warm(&client, lists).await;
        let text = format!("foreign {round}");
        sql.run(&format!(
            "UPDATE steps SET state_string = '{text}' WHERE id = 1"
        ))
        .await;
        sql.run(&format!(
            "UPDATE builds SET state_string = '{text}' WHERE id = 1"
        ))
        .await;
        // It moves to the other build and back: no event names the build that it leaves.
        let home = round % 2 + 1;
        sql.run(&format!("UPDATE steps SET buildid = {home} WHERE id = 2"))
            .await;
        let read = client.data(lists, json!({})).await;
        assert_eq!(read["a"]["stateString"], *text, "{read}");
        assert_eq!(read["a"]["steps"][0]["stateString"], *text, "{read}");
        let moved = json!([{ "stepid": 2 }]);
        let expected = if home == 2 { moved } else { json!([]) };
        assert_eq!(read["b"]["steps"], expected, "{read}");
        let here = read["a"]["steps"].as_array().unwrap().len();
        assert_eq!(here, if home == 2 { 1 } else { 2 }, "{read}");
    }
}

/// The row is forgotten before anybody is told of its change.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_hears_of_a_change_reads_nothing_older() {
    let (server, client) = with_steps(&["--anonymous", "write"]).await;
    let sql = server.sql().await;
    let query = "{ step(stepid: 1) { stateString } }";
    let mut ws = server.ws().await;
    ws.subscribe_to("stepEvents { step { stateString } }").await;
    for round in 0..20 {
        warm(&client, query).await;
        let text = format!("foreign {round}");
        sql.run(&format!(
            "UPDATE steps SET state_string = '{text}' WHERE id = 1"
        ))
        .await;
        let heard = &ws.receive().await["payload"]["data"]["stepEvents"];
        assert_eq!(heard["step"]["stateString"], *text, "{heard}");
        let read = client.data(query, json!({})).await;
        assert_eq!(read["step"]["stateString"], *text);
    }
}

#[tokio::test]
async fn another_programs_commit_shows_without_being_told() {
    let (server, client) = with_steps(&["--anonymous", "write"]).await;
    let sql = server.sql().await;
    warm(&client, BUILD).await;
    sql.run("UPDATE steps SET state_string = 'foreign' WHERE id = 1")
        .await;
    wait_until(async || {
        let read = client.data(BUILD, json!({})).await;
        read["build"]["steps"][0]["stateString"] == "foreign"
    })
    .await;
}

#[tokio::test]
async fn a_deleted_row_goes_by_itself() {
    let (server, client) = with_steps(&["--anonymous", "write"]).await;
    let sql = server.sql().await;
    let query = "{ step(stepid: 2) { name } build(buildid: 1) { steps { stepid } } }";
    warm(&client, query).await;
    sql.run("DELETE FROM steps WHERE id = 2").await;
    // It is asked for all the time, so that it would be kept if it could be.
    wait_until(async || {
        let read = client.data(query, json!({})).await;
        read == json!({ "step": null, "build": { "steps": [{ "stepid": 1 }] } })
    })
    .await;
}

#[tokio::test]
async fn an_event_that_cannot_be_read_forgets_everything() {
    if !on_sqlite("elsewhere no column of an event takes such a value") {
        return;
    }
    let (server, client) = with_steps(&["--anonymous", "write"]).await;
    let sql = server.sql().await;
    let query = "{ eventCursor step(stepid: 1) { stateString } }";
    warm(&client, query).await;
    sql.run(
        "UPDATE steps SET state_string = 'unseen' WHERE id = 1; \
         UPDATE graphql_events SET number = 'none' WHERE id = (SELECT max(id) FROM graphql_events)",
    )
    .await;
    let read = client.data(query, json!({})).await;
    assert_eq!(read["step"]["stateString"], "unseen");
}

#[tokio::test]
async fn kept_rows_count_as_rows() {
    let (_server, client) = with_steps(&["--anonymous", "write", "--max-rows", "3"]).await;
    let fits = "{ build(buildid: 1) { steps { stepid } } }";
    let exceeds = "{ build(buildid: 1) { steps { stepid } } step(stepid: 1) { name } }";
    let (code, _) = client.error(exceeds, json!({})).await;
    assert_eq!(code, "LIMIT_EXCEEDED");
    warm(&client, fits).await;
    warm(&client, "{ step(stepid: 1) { name } }").await;
    let (code, _) = client.error(exceeds, json!({})).await;
    assert_eq!(code, "LIMIT_EXCEEDED");
}
