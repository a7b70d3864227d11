//! Follows the feed of a Buildbot master's database, which is attached and detached while it is
//! served: an upgrade of Buildbot may drop the triggers.

use std::time::Duration;

use tokio::time::sleep;

use crate::{domain::error::Error, feed::handle::Feed};

/// The pause between two reads of the epoch.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reads the epoch at intervals until the server stops.
pub(crate) async fn run(feed: Feed) {
    let stop = feed.0.stop.clone();
    let refresh = async {
        loop {
            sleep(INTERVAL).await;
            match feed.refresh_epoch().await {
                // The tail logs that the database does not answer.
                Ok(()) | Err(Error::Unavailable) => {}
                Err(error) => {
                    tracing::warn!(%error, "it cannot be told whether the feed is there");
                }
            }
        }
    };
    stop.run_until_cancelled(refresh).await;
}
