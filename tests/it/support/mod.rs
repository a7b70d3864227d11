//! What tests stand on: a server in this process or in its own, an HTTP client, a socket, and plain SQL.

pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod sql;
pub(crate) mod ws;

use std::time::Duration;

/// Longer than anything takes that works; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until it is so.
pub(crate) async fn until(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(PATIENCE / 400).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("it is not so");
}
