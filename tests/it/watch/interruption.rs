//! Servers that are killed, paused and restored: no line is lost, none comes twice.

use std::time::Duration;

use super::{Watch, change_step, finish_build};
use crate::{
    attach,
    fault::{free_address, serve},
    support::{
        client::Client,
        database::{Database, on_sqlite},
        process::Process,
        sql::Sql,
    },
};

#[tokio::test]
async fn a_server_that_is_killed_costs_no_line() {
    let (database, address) = (Database::fresh().await, free_address());
    let mut server = serve(address, &database, &[]).await;
    // Another writes while there is none at the address.
    let other = Process::start(&database, &[]).await;
    let client = Client::new(other.address);
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    let mut watch = Watch::start(address, &[]);
    watch.expect("b 1 - - SNAPSHOT - created").await;
    watch.expect("b 1 0 s SNAPSHOT - pending").await;
    for round in 0..3 {
        client.set_state(step, &format!("before {round}")).await;
        watch
            .expect(&format!("b 1 0 s UPDATED - before {round}"))
            .await;
        server.kill().await;
        watch.expect_log("reconnecting").await;
        client.set_state(step, &format!("away {round}")).await;
        server = serve(address, &database, &[]).await;
        client.set_state(step, &format!("after {round}")).await;
        watch
            .expect(&format!("b 1 0 s UPDATED - away {round}"))
            .await;
        watch
            .expect(&format!("b 1 0 s UPDATED - after {round}"))
            .await;
    }
    watch.expect_log("live again").await;
    finish_build(&client, build, "SUCCESS").await;
    watch.expect("b 1 - - FINISHED SUCCESS created").await;
    drop(server);
}

/// A database whose cursors are all of another has a new name.
#[tokio::test]
async fn an_expired_cursor_leads_to_a_new_snapshot() {
    let (database, address) = (Database::fresh().await, free_address());
    let server = serve(address, &database, &[]).await;
    let client = Client::new(server.address);
    let ends = client.add_build("ends").await;
    let stays = client.add_build("stays").await;
    let (step, _) = client.new_step(stays, "s").await;
    let mut watch = Watch::start(address, &[]);
    watch.expect("ends 1 - - SNAPSHOT - created").await;
    watch.expect("stays 1 - - SNAPSHOT - created").await;
    watch.expect("stays 1 0 s SNAPSHOT - pending").await;
    server.kill().await;

    let other = Process::start(&database, &[]).await;
    let client = Client::new(other.address);
    finish_build(&client, ends, "EXCEPTION").await;
    client.set_state(step, "meanwhile").await;
    other.kill().await;
    Sql::open(&database)
        .await
        .run("UPDATE graphql_feed SET epoch = 'abcdef01'")
        .await;

    let server = serve(address, &database, &[]).await;
    watch.expect_log("CURSOR_EXPIRED").await;
    // What was missed is shown, what is as it was is not.
    watch.expect("ends 1 - - SNAPSHOT EXCEPTION created").await;
    watch.expect("stays 1 0 s SNAPSHOT - meanwhile").await;
    let client = Client::new(server.address);
    change_step(&client, "finishStep", step, ", results: SUCCESS").await;
    watch.expect("stays 1 0 s FINISHED SUCCESS meanwhile").await;
}

#[tokio::test]
async fn a_server_that_is_paused_is_noticed() {
    let (database, address) = (Database::fresh().await, free_address());
    let server = serve(address, &database, &[]).await;
    let client = Client::new(server.address);
    let build = client.add_build("b").await;
    let mut watch = Watch::start(address, &[]);
    watch.expect("b 1 - - SNAPSHOT - created").await;
    server.signal("STOP").await;
    watch
        .expect_log_within("has not answered for", Duration::from_mins(2))
        .await;
    server.signal("CONT").await;
    finish_build(&client, build, "RETRY").await;
    watch
        .expect_log_within("live again", Duration::from_mins(1))
        .await;
    watch.expect("b 1 - - FINISHED RETRY created").await;
}

#[tokio::test]
async fn a_feed_that_is_missing_is_asked_for() {
    if !on_sqlite("a master's file is served") {
        return;
    }
    let (database, sql) = attach::master().await;
    let server = attach::serve(&database, &[]).await;
    let mut watch = Watch::start(server.address, &[]);
    let said = watch.expect_log("FEED_DETACHED").await;
    assert!(said.contains("buildbot-graphql attach"), "{said}");
    attach::run("attach", &database).await.unwrap();
    watch
        .expect_log_within("live again", Duration::from_mins(1))
        .await;
    attach::add_step(&sql, "heard").await;
    while watch.line().await.unwrap()[3] != "heard" {}
}
