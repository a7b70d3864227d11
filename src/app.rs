//! What every request needs, cheap to clone: the database, its feed, the clock, and the way to stop.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::Access,
    clock::Clock,
    config::Config,
    error::{Error, Result, StartError},
    feed::Feed,
    metrics::Metrics,
    rates::Rates,
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
    pub metrics: Arc<Metrics>,
    /// What each caller may still take.
    pub rates: Rates,
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
    /// Settings that contradict each other, a feed whose name cannot be read, or no client for an identity provider's keys.
    pub async fn new(config: Config, mut db: Db, clock: Clock) -> Result<Self, StartError> {
        config.check().map_err(StartError::Config)?;
        let stop = CancellationToken::new();
        let metrics = Arc::new(Metrics::default());
        db.measure(&metrics.statement_seconds);
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
            rates: Rates::new(&config.rate),
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

    /// The deadline of what begins now.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        let limits = &self.config.limit;
        Deadline {
            seconds: limits.max_seconds,
            at: limits
                .time()
                .and_then(|time| Instant::now().checked_add(time)),
        }
    }
}

/// Until when something must be done: so many seconds after it began.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    seconds: u64,
    /// None is never.
    at: Option<Instant>,
}

impl Deadline {
    /// What is done in time.
    ///
    /// # Errors
    /// `LimitExceeded` where it is not; then it is dropped.
    pub async fn keep<T>(self, work: impl Future<Output = T>) -> Result<T> {
        match self.at {
            None => Ok(work.await),
            Some(at) => match timeout_at(at, work).await {
                // Work that never waited is not interrupted, and may be late all the same.
                Ok(done) => self.check().map(|()| done),
                Err(_) => Err(self.error()),
            },
        }
    }

    /// There is time left to begin something.
    ///
    /// # Errors
    /// `LimitExceeded` where there is none.
    pub fn check(self) -> Result<()> {
        match self.at {
            Some(at) if at <= Instant::now() => Err(self.error()),
            _ => Ok(()),
        }
    }

    fn error(self) -> Error {
        Error::LimitExceeded {
            limit: "max-seconds",
            max: self.seconds,
            asked: None,
            advice: "ask for less at once, or try again when the database is less busy",
        }
    }
}
