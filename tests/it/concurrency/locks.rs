//! Locks that a foreign process holds. A write waits for a short one. A long one makes it fail with
//! UNAVAILABLE, with nothing half-written, and writes recover afterwards. `http/errors.rs` has
//! further tests.

use serde_json::json;
use tokio::time::timeout;

use super::STATE;
use crate::{
    feed::after,
    support::{
        TIMEOUT,
        database::{Kind, kind},
        server::Server,
    },
};

/// While a foreign transaction locks a step, that step cannot be written and all others can.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_row_blocks_no_other_row() {
    if kind() == Kind::Sqlite {
        // SQLite locks the whole file; see `http/errors.rs`.
        return;
    }
    let server = Server::with_flags(&["--anonymous", "write", "--busy-seconds", "1"]).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (held, _) = client.new_step(build, "held").await;
    let (free, _) = client.new_step(build, "free").await;
    let foreign = server.sql().await;
    foreign
        .run(&format!(
            "BEGIN; SELECT id FROM steps WHERE id = {held} FOR UPDATE"
        ))
        .await;
    let (code, _) = client.error(STATE, json!({ "s": held, "t": "x" })).await;
    assert_eq!(code, "UNAVAILABLE");
    client.set_state(free, "y").await;
    client.new_step(build, "third").await;
    foreign.run("COMMIT").await;
    // The refused writes left no trace.
    let states = "SELECT json_array(name, state_string) AS json FROM steps ORDER BY id";
    let expected = [("held", "pending"), ("free", "y"), ("third", "pending")];
    assert_eq!(
        foreign.rows(states).await,
        expected.map(|(name, state)| json!([name, state]))
    );
    assert_eq!(
        foreign
            .number("SELECT COUNT(*) AS n FROM graphql_events WHERE noun = 4")
            .await,
        4
    );
    client.set_state(held, "x").await;
}

/// While a foreign transaction locks a whole table, writes fail; afterwards they succeed.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_is_unavailable_until_unlocked() {
    let (lock, unlock) = match kind() {
        // SQLite locks the whole file; see `http/errors.rs`.
        Kind::Sqlite => return,
        Kind::Postgres => ("BEGIN; LOCK TABLE steps IN SHARE MODE", "COMMIT"),
        Kind::Mariadb => ("LOCK TABLES steps READ", "UNLOCK TABLES"),
    };
    // Only the wait for the lock is limited here.
    let flags = [
        "--anonymous",
        "write",
        "--busy-seconds",
        "1",
        "--statement-seconds",
        "0",
        "--max-seconds",
        "0",
    ];
    let server = Server::with_flags(&flags).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    let foreign = server.sql().await;
    foreign.run(lock).await;
    let refused = client.error(STATE, json!({ "s": step, "t": "x" }));
    let (code, _) = timeout(TIMEOUT, refused).await.unwrap();
    assert_eq!(code, "UNAVAILABLE");
    let read = client.data("{ steps { totalCount } }", json!({})).await;
    assert_eq!(read["steps"]["totalCount"], 1);
    foreign.run(unlock).await;
    client.set_state(step, "y").await;
    assert_eq!(
        foreign
            .number("SELECT COUNT(*) AS n FROM graphql_events WHERE noun = 4")
            .await,
        2
    );
}

/// A lock that stops sequencing does not stop writers.
#[tokio::test(flavor = "multi_thread")]
async fn writes_succeed_while_sequencing_is_blocked() {
    if kind() == Kind::Sqlite {
        // SQLite gives an event its position when it is written.
        return;
    }
    let server = Server::with_flags(&["--anonymous", "write", "--busy-seconds", "1"]).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, start) = client.new_step(build, "s").await;
    let foreign = server.sql().await;
    foreign
        .run("BEGIN; SELECT position FROM graphql_feed FOR UPDATE")
        .await;
    let (code, _) = client
        .error(STATE, json!({ "s": step, "t": "written" }))
        .await;
    assert_eq!(code, "OUTCOME_UNKNOWN");
    let read = "query($s: Int!) { step(stepid: $s) { stateString } }";
    let data = client.data(read, json!({ "s": step })).await;
    assert_eq!(data["step"]["stateString"], "written");
    foreign.run("COMMIT").await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(&start)).await;
    assert_eq!(ws.event().await["step"]["stateString"], "written");
    let next = client.set_state(step, "next").await;
    assert_eq!(ws.event().await["cursor"], next.as_str());
}

#[tokio::test]
async fn a_write_waits_for_a_short_lock() {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    let other = server.sql().await;

    other.block_writers().await;
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.add_build("b").await }
    });
    other
        .run("UPDATE builds SET state_string = 'from elsewhere'; COMMIT")
        .await;
    let added = waiting.await.unwrap();
    let query = "query($b: Int!) { build(buildid: $b) { number } }";
    let build = client.data(query, json!({ "b": added })).await;
    assert_eq!(build["build"]["number"], 2);
}
