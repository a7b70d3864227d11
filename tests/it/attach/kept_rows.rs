//! Rows of a master are kept in memory only while every change of them is recorded.

use serde_json::json;

use super::{add_step, master, run, serve};
use crate::{
    cache::warm,
    observability::metrics::samples,
    support::{
        client::Client,
        database::{Kind, kind},
        wait_until,
    },
};

const STEP: &str = "{ step(stepid: 1) { name stateString } }";

fn drop_step_trigger() -> &'static str {
    match kind() {
        Kind::Postgres => "DROP TRIGGER graphql_steps_update ON steps",
        _ => "DROP TRIGGER graphql_steps_update",
    }
}

/// Waits until each answer is read from the database, for as long as that takes to notice.
async fn cool(client: &Client) {
    wait_until(async || {
        let before = samples(client).await["cache_hits_total"];
        for _ in 0..20 {
            client.data(STEP, json!({})).await;
        }
        let after = samples(client).await;
        after["cache_hits_total"] <= before && after["cache_bytes"] <= 0.0
    })
    .await;
}

#[tokio::test]
async fn nothing_is_kept_without_a_feed() {
    let (database, sql) = master().await;
    add_step(&sql, "s").await;
    let server = serve(&database, &[]).await;
    let client = server.client();
    cool(&client).await;
    run("attach", &database).await.unwrap();
    warm(&client, STEP).await;
    run("detach", &database).await.unwrap();
    cool(&client).await;
}

#[tokio::test]
async fn nothing_is_kept_while_a_noun_is_not_recorded() {
    let (database, sql) = master().await;
    add_step(&sql, "s").await;
    run("attach", &database).await.unwrap();
    let server = serve(&database, &[]).await;
    let client = server.client();
    warm(&client, STEP).await;
    sql.run(drop_step_trigger()).await;
    cool(&client).await;
    sql.run("UPDATE steps SET state_string = 'unrecorded' WHERE id = 1")
        .await;
    let read = client.data(STEP, json!({})).await;
    assert_eq!(read["step"]["stateString"], "unrecorded");
}
