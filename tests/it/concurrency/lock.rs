//! Locks that somebody else holds for too long: UNAVAILABLE, with nothing half-written, and then it works.

use serde_json::json;
use tokio::time::timeout;

use super::STATE;
use crate::{
    feed::after,
    support::{
        PATIENCE,
        database::{Kind, kind},
        server::Server,
    },
};

/// A step that somebody else holds cannot be written, and all others can.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_on_a_row_holds_up_nobody_else() {
    if kind() == Kind::Sqlite {
        // It locks the whole file; see `http/errors.rs`.
        return;
    }
    let server = Server::with(&["--anonymous", "write", "--busy-seconds", "1"]).await;
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
    // What was refused never happened.
    let states = "SELECT json_array(name, state_string) AS json FROM steps ORDER BY id";
    let expected = [("held", "pending"), ("free", "y"), ("third", "pending")];
    assert_eq!(
        foreign.rows(states).await,
        expected.map(|(name, state)| json!([name, state]))
    );
    assert_eq!(
        foreign
            .number("SELECT COUNT(*) AS n FROM graphql_step_events")
            .await,
        4
    );
    client.set_state(held, "x").await;
}

/// A table that somebody else locks as a whole: no write for now, and not for longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_is_unavailable_and_then_is_not() {
    let (lock, unlock) = match kind() {
        // It locks the whole file; see `http/errors.rs`.
        Kind::Sqlite => return,
        Kind::Postgres => ("BEGIN; LOCK TABLE steps IN SHARE MODE", "COMMIT"),
        Kind::Mariadb => ("LOCK TABLES steps READ", "UNLOCK TABLES"),
    };
    // Nothing but the wait for the lock has an end.
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
    let server = Server::with(&flags).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    let foreign = server.sql().await;
    foreign.run(lock).await;
    let refused = client.error(STATE, json!({ "s": step, "t": "x" }));
    let (code, _) = timeout(PATIENCE, refused).await.unwrap();
    assert_eq!(code, "UNAVAILABLE");
    let read = client.data("{ steps { totalCount } }", json!({})).await;
    assert_eq!(read["steps"]["totalCount"], 1);
    foreign.run(unlock).await;
    client.set_state(step, "y").await;
    assert_eq!(
        foreign
            .number("SELECT COUNT(*) AS n FROM graphql_step_events")
            .await,
        2
    );
}

/// Whoever keeps events from getting their places keeps no writer from writing.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_place_yet_is_written_all_the_same() {
    if kind() == Kind::Sqlite {
        // An event has its place as soon as it is written.
        return;
    }
    let server = Server::with(&["--anonymous", "write", "--busy-seconds", "1"]).await;
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
    assert_eq!(code, "UNAVAILABLE");
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
