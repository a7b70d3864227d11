//! The only server is killed while clients write and subscribers keep losing their sockets.

use std::time::Duration;

use tokio::time::sleep;

use super::{Load, free_address, serve};
use crate::{
    feed::{after, newest_cursor},
    support::{client::Client, database::Database, process::Process, sql::Sql, ws::Ws},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing() {
    let database = Database::fresh().await;
    let address = free_address();
    let mut process = serve(address, &database, &[]).await;
    let load = Load::start(&[address], 4, 1).await;
    for _ in 0..2 {
        sleep(Duration::from_millis(1_500)).await;
        process.kill().await;
        // Long enough for some client to meet a dead server.
        sleep(Duration::from_millis(150)).await;
        process = serve(address, &database, &[]).await;
    }
    sleep(Duration::from_millis(1_500)).await;
    load.reach(100).await;
    load.finish(&Sql::open(&database).await).await;
    drop(process);
}

/// Writes that wait for each other may share a commit, which the kill cuts off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_under_128_writers_loses_nothing() {
    let database = Database::fresh().await;
    let address = free_address();
    let mut process = serve(address, &database, &[]).await;
    let load = Load::start(&[address], 128, 1).await;
    for updates in [100, 200, 300] {
        load.reach(updates).await;
        process.kill().await;
        process = serve(address, &database, &[]).await;
    }
    load.reach(400).await;
    load.finish(&Sql::open(&database).await).await;
    drop(process);
}

#[tokio::test]
async fn a_kill_between_two_writes_loses_neither() {
    let database = Database::fresh().await;
    let mut process = Process::start(&database, &[]).await;
    let build = Client::new(process.address).add_build("b").await;
    let start = newest_cursor(&Client::new(process.address)).await;
    let mut written = Vec::new();
    let mut ws = Ws::connect(process.address).await;
    ws.subscribe(&after(&start)).await;
    for i in 0..4 {
        let client = Client::new(process.address);
        let (stepid, cursor) = client.new_step(build, &format!("s{i}")).await;
        // The server may die before this event arrives. Only the response is a promise.
        written.extend([cursor, client.set_state(stepid, "busy").await]);
        process.kill().await;
        while ws.try_receive().await.is_some() {}
        process = Process::start(&database, &[]).await;
        ws = Ws::connect(process.address).await;
        ws.subscribe(&after(&start)).await;
        for cursor in &written {
            assert_eq!(ws.event().await["cursor"], cursor.as_str());
        }
    }
    let (_, live) = Client::new(process.address).new_step(build, "live").await;
    assert_eq!(ws.event().await["cursor"], live.as_str());
}
