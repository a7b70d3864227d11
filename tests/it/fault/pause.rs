//! A server that is stopped for ten seconds at an arbitrary moment and then continues.

use std::time::Duration;

use tokio::time::sleep;

use super::{Load, free_address, serve};
use crate::support::{database::Database, sql::Sql};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_paused_for_ten_seconds_loses_nothing() {
    let database = Database::fresh().await;
    let addresses = [free_address(), free_address()];
    let _one = serve(addresses[0], &database, &[]).await;
    // Longer than the pause: an operation whose time is up is refused, which is right but proves
    // nothing here.
    let two = serve(addresses[1], &database, &["--max-seconds", "60"]).await;
    let load = Load::start(&addresses, 4, 2).await;
    sleep(Duration::from_secs(1)).await;
    two.signal("STOP").await;
    sleep(Duration::from_secs(10)).await;
    two.signal("CONT").await;
    sleep(Duration::from_secs(1)).await;
    load.reach(50).await;
    load.finish(&Sql::open(&database).await).await;
}
