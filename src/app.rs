//! What every request needs, cheap to clone: the database, its feed, the clock, and the way to stop.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::access::Access,
    clock::Clock,
    config::Config,
    domain::{
        command_error::CommandError,
        error::{Error, Result},
    },
    feed::Feed,
    metrics::Metrics,
    rate_limit::RateLimiter,
    store::{db::database::Db, invalid_values::InvalidValues},
};

/// A server's state.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// The database.
    pub(crate) db: Db,
    /// Its change feed.
    pub(crate) feed: Feed,
    /// Where the times of updates come from.
    pub(crate) clock: Clock,
    /// Who may do what.
    pub(crate) access: Access,
    /// What is measured.
    pub(crate) metrics: Arc<Metrics>,
    /// What each caller may still take.
    pub(crate) rate_limiter: RateLimiter,
    /// Which odd values the log has named.
    pub(crate) invalid_values: InvalidValues,
    /// What was configured.
    pub(crate) config: Arc<Config>,
    /// What runs beside the requests, waited for on the way out.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the server is to stop.
    pub(crate) stop: CancellationToken,
}

impl App {
    /// Puts a server together over an open database.
    ///
    /// # Errors
    /// Settings that contradict each other, a feed whose name cannot be read, or no client for an identity provider's keys.
    pub(crate) async fn new(
        config: Config,
        mut db: Db,
        clock: Clock,
    ) -> Result<Self, CommandError> {
        config.check().map_err(CommandError::Config)?;
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
            rate_limiter: RateLimiter::new(&config.rate),
            invalid_values: InvalidValues::default(),
            config: Arc::new(config),
            tasks: TaskTracker::new(),
            stop,
        })
    }

    /// The same server with its writes dated by another clock.
    #[must_use]
    pub(crate) fn with_clock(&self, clock: Clock) -> Self {
        Self {
            clock,
            ..self.clone()
        }
    }

    /// The deadline of what begins now.
    #[must_use]
    pub(crate) fn deadline(&self) -> Deadline {
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
pub(crate) struct Deadline {
    seconds: u64,
    /// None is never.
    at: Option<Instant>,
}

impl Deadline {
    /// What is done in time.
    ///
    /// # Errors
    /// `LimitExceeded` where it is not; then it is dropped.
    pub(crate) async fn keep<T>(self, work: impl Future<Output = T>) -> Result<T> {
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
    pub(crate) fn check(self) -> Result<()> {
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
