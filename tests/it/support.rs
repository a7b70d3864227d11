//! What tests use: a server in this process or in its own, an HTTP client, a socket, and plain SQL.

pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod sql;
pub(crate) mod ws;

use std::time::Duration;

/// Longer than anything that works takes: a test that waits this long has failed.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// Waits until `/readyz` no longer gives an answer of before.
pub(crate) async fn outlast_readiness() {
    tokio::time::sleep(Duration::from_millis(1_010)).await;
}

/// Waits until the condition is true.
pub(crate) async fn wait_until(condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(TIMEOUT / 400).await;
        }
    };
    tokio::time::timeout(TIMEOUT, waiting)
        .await
        .expect("it is not so");
}
