//! What every request needs, cheap to clone: the database, its feed, the clock, and the way to stop.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::{Caller, Scope},
    clock::Clock,
    config::{Anonymous, Config},
    error::{Error, Result, StartError},
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
    /// Settings that contradict each other, or a feed whose name cannot be read.
    pub async fn new(config: Config, db: Db, clock: Clock) -> Result<Self, StartError> {
        config.check().map_err(StartError::Config)?;
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

    /// A caller without a token, and what such callers may do here.
    #[must_use]
    pub fn anonymous(&self) -> Caller {
        Caller::anonymous(match self.config.anonymous() {
            Anonymous::None => None,
            Anonymous::Read => Some(Scope::Read),
            Anonymous::Write => Some(Scope::Write),
        })
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
            Some(at) => timeout_at(at, work).await.map_err(|_| self.error()),
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
