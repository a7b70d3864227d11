//! What every request needs, cheap to clone: the database, its feed, the clock, and the way to stop.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::Access,
    clock::Clock,
    config::Config,
    error::StartError,
    feed::Feed,
    metrics::Metrics,
    store::{Db, loose::Oddities},
};

/// A server's state.
#[derive(Clone, Debug)]
pub struct App {
    /// The database.
    pub db: Db,
    /// Its change feed.
    pub feed: Feed,
    /// Where the times of updates come from.
    pub clock: Clock,
    /// Who may do what.
    pub access: Access,
    /// What is measured.
    pub metrics: Metrics,
    /// Which odd values the log has named.
    pub oddities: Oddities,
    /// What was configured.
    pub config: Arc<Config>,
    /// What runs beside the requests, waited for on the way out.
    pub tasks: TaskTracker,
    /// Cancelled when the server is to stop.
    pub stop: CancellationToken,
}

impl App {
    /// Puts a server together over an open database.
    ///
    /// # Errors
    /// The feed's name cannot be read, or no client be made that fetches an identity provider's keys.
    pub async fn new(config: Config, db: Db, clock: Clock) -> Result<Self, StartError> {
        let stop = CancellationToken::new();
        let metrics = Metrics::default();
        let feed = Feed::open(
            db.clone(),
            config.feed.clone(),
            clock.clone(),
            metrics.clone(),
            stop.clone(),
        )
        .await?;
        Ok(Self {
            access: Access::new(&config, db.clone())?,
            db,
            feed,
            clock,
            metrics,
            oddities: Oddities::default(),
            config: Arc::new(config),
            tasks: TaskTracker::new(),
            stop,
        })
    }

    /// The same server with its writes dated by another clock.
    #[must_use]
    pub fn with_clock(&self, clock: Clock) -> Self {
        Self {
            clock,
            ..self.clone()
        }
    }
}
