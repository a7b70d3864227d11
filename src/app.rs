//! A server's state: what every request needs.

pub(crate) mod deadline;
pub(crate) mod log_lengths;
pub(crate) mod log_workers;
pub(crate) mod turn;

use std::{ops::Deref, sync::Arc};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    app::{deadline::Deadline, log_lengths::LogLengths, log_workers::LogWorkers},
    auth::access::Access,
    clock::Clock,
    config::Config,
    domain::command_error::CommandError,
    feed::handle::Feed,
    memory::MemoryBudget,
    metrics::Metrics,
    rate_limit::limiter::RateLimiter,
    store::{db::database::Db, invalid_values::InvalidValues},
};

/// A server's state. A clone is one more pointer to it.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<AppState>);

#[derive(Clone, Debug)]
pub(crate) struct AppState {
    pub(crate) db: Db,
    pub(crate) feed: Feed,
    /// Where the times of updates come from.
    pub(crate) clock: Clock,
    pub(crate) access: Access,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) rate_limiter: RateLimiter,
    /// What requests, queues and snapshots may hold together.
    pub(crate) memory: MemoryBudget,
    pub(crate) log_lengths: LogLengths,
    /// Unpack and search logs.
    pub(crate) log_workers: LogWorkers,
    /// Which invalid values the log has named.
    pub(crate) invalid_values: InvalidValues,
    pub(crate) config: Arc<Config>,
    /// What runs beside the requests; the server waits for it before it ends.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the server is to stop.
    pub(crate) stop: CancellationToken,
}

impl Deref for App {
    type Target = AppState;

    fn deref(&self) -> &AppState {
        &self.0
    }
}

impl App {
    /// Puts a server together over an open database.
    ///
    /// # Errors
    /// A feed whose epoch cannot be read, or no HTTP client for an identity provider's keys.
    pub(crate) async fn new(
        config: Config,
        mut db: Db,
        clock: Clock,
    ) -> Result<Self, CommandError> {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let metrics = Arc::new(Metrics::default());
        // Before the clones below, which then measure too.
        db.measure(&metrics);
        let memory = MemoryBudget::new(
            config.rate.max_memory_bytes,
            config.rate.max_memory_bytes_per_caller,
            &metrics.memory_held,
        );
        let feed = Feed::open(
            db.clone(),
            config.feed.clone(),
            clock.clone(),
            memory.clone(),
            metrics.clone(),
            stop.clone(),
            tasks.clone(),
        )
        .await?;
        Ok(Self(Arc::new(AppState {
            access: Access::new(&config, db.clone())?,
            db,
            feed,
            clock,
            metrics,
            rate_limiter: RateLimiter::new(&config.rate, memory.clone()),
            memory,
            log_lengths: LogLengths::default(),
            log_workers: LogWorkers::new(),
            invalid_values: InvalidValues::default(),
            config: Arc::new(config),
            tasks,
            stop,
        })))
    }

    /// The deadline of an operation that begins now.
    pub(crate) fn deadline(&self) -> Deadline {
        let limits = &self.config.limit;
        Deadline::new(limits.max_seconds, limits.time())
    }
}
