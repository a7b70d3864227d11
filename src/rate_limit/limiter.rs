//! What each caller may still take of a server.

use std::{net::IpAddr, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    auth::{caller::Identity, request_context::RequestContext, scope::Scope},
    config::rate::RateConfig,
    domain::{
        caller_key::CallerKey,
        error::{Error, Result},
    },
    memory::MemoryBudget,
    rate_limit::{
        bucket::RateStatus,
        operations::{OperationPermit, Operations},
        permit::{CallerPermit, CallerPermits},
        points::Points,
    },
    store::db::{
        fair_queue::{FairQueue, Permit, Shares},
        read_account::ReadAccount,
    },
};

/// The least that a request costs, in points.
pub(crate) const MIN_COST: u64 = 1;
/// How many bytes of a request cost a point.
const BYTES_OF_POINT: usize = 1_024;
/// What a request without a sufficient token costs, in points: much, to make guessing expensive.
const REJECTED_COST: u64 = 100;

/// How many subscriptions may start at once; the others wait, and callers take turns.
const MAX_OPENINGS: usize = 32;
/// How many of them are one caller's.
const MAX_OPENINGS_OF_CALLER: usize = 16;

/// When a client with too many subscriptions is to try again, in seconds.
const RETRY_SECONDS: u64 = 10;

/// Who is counted for a request.
fn key_of(context: &RequestContext) -> CallerKey {
    match context.caller.identity() {
        Some(Identity::Token(name)) => CallerKey::Token(name.clone()),
        Some(Identity::Subject(subject)) => CallerKey::Subject(subject.clone()),
        // A rejected caller has no identity, so guesses are charged to the address.
        None => CallerKey::of_address(context.address),
    }
}

/// What callers have taken of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct RateLimiter(Arc<LimiterState>);

#[derive(Debug)]
struct LimiterState {
    /// `None` where points are not counted.
    points: Option<Points>,
    sockets: CallerPermits,
    operations: Operations,
    openings: FairQueue<CallerKey>,
    subscriptions: Arc<Semaphore>,
    max_subscriptions: usize,
    subscriptions_of_callers: CallerPermits,
    memory: MemoryBudget,
}

/// A permit for a subscription to start.
pub(crate) type Opening = Permit<CallerKey>;

/// A permit for a subscription.
#[derive(Debug)]
pub(crate) struct SubscriptionPermit {
    _of_all: OwnedSemaphorePermit,
    _of_caller: CallerPermit,
}

impl RateLimiter {
    /// Callers may have what the configuration says, and their part of this memory.
    pub(crate) fn new(config: &RateConfig, memory: MemoryBudget) -> Self {
        let permits = match config.max_subscriptions {
            0 => Semaphore::MAX_PERMITS,
            // `Semaphore::new` panics above that.
            max => max.min(Semaphore::MAX_PERMITS),
        };
        Self(Arc::new(LimiterState {
            points: Points::new(config.rate_points, config.rate_points_per_second),
            sockets: CallerPermits::new(config.max_sockets_per_address),
            operations: Operations::new(config.max_concurrent_per_caller),
            openings: FairQueue::new(Shares {
                total: MAX_OPENINGS,
                each: MAX_OPENINGS_OF_CALLER,
                waiting: usize::MAX,
                slow_after: None,
            }),
            subscriptions: Arc::new(Semaphore::new(permits)),
            max_subscriptions: config.max_subscriptions,
            subscriptions_of_callers: CallerPermits::new(config.max_subscriptions_per_caller),
            memory,
        }))
    }

    /// The memory that requests and answers of the caller take.
    pub(crate) fn memory(&self, context: &RequestContext) -> MemoryBudget {
        self.0.memory.for_caller(&key_of(context))
    }

    /// Admits a caller that may read. Any other pays for the attempt, so that nobody can try tokens
    /// for long.
    ///
    /// # Errors
    /// Why the caller may not read, or `RateLimited` where it has tried too often.
    pub(crate) fn admit(&self, context: &RequestContext) -> Result<()> {
        context.caller.require(Scope::Read).or_else(|refusal| {
            // Once out of points, the caller no longer learns whether its token is valid.
            self.spend(context, REJECTED_COST)?;
            Err(refusal)
        })
    }

    /// Charges a caller whose token was refused on a route that admits nobody.
    pub(crate) fn charge_rejected(&self, context: &RequestContext) {
        if let Err(error) = self.spend(context, REJECTED_COST) {
            tracing::debug!(%error, "a refused token finds no points left");
        }
    }

    /// Whether an address has the points of a token that is refused.
    pub(crate) fn can_pay_rejection(&self, address: IpAddr) -> bool {
        let Some(points) = &self.0.points else {
            return true;
        };
        let status = points.status(&CallerKey::of_address(address));
        status.left >= REJECTED_COST.min(status.max)
    }

    /// Takes the points. A cost above what a bucket holds needs a full one, and empties it.
    ///
    /// # Errors
    /// `RateLimited` where the caller has fewer; then none are taken.
    pub(crate) fn spend(&self, context: &RequestContext, cost: u64) -> Result<()> {
        let points = self.0.points.as_ref();
        points.map_or(Ok(()), |points| points.spend(&key_of(context), cost))
    }

    /// Takes the points for a request of so many bytes, before it is read.
    ///
    /// # Errors
    /// As [`spend`](Self::spend).
    pub(crate) fn spend_bytes(&self, context: &RequestContext, bytes: usize) -> Result<()> {
        match bytes / BYTES_OF_POINT {
            0 => Ok(()),
            points => self.spend(context, points as u64),
        }
    }

    /// Takes the points for work already done. The caller owes those that it does not have.
    pub(crate) fn charge(&self, context: &RequestContext, cost: u64) {
        if let Some(points) = &self.0.points {
            points.charge(&key_of(context), cost);
        }
    }

    /// What the caller has left; `None` where points are not counted.
    pub(crate) fn status(&self, context: &RequestContext) -> Option<RateStatus> {
        let points = self.0.points.as_ref()?;
        Some(points.status(&key_of(context)))
    }

    /// The account on which an operation of this caller reads: each millisecond that its statements
    /// take costs a point, and its rows are counted in the caller's memory.
    pub(crate) fn read_account(&self, context: &RequestContext) -> Arc<ReadAccount> {
        let (limiter, key) = (self.clone(), key_of(context));
        let memory = self.memory(context);
        Arc::new(ReadAccount::new(&key.clone(), &memory, move |millis| {
            if let Some(points) = &limiter.0.points {
                points.charge(&key, millis);
            }
        }))
    }

    /// A permit for a socket of the caller's address.
    ///
    /// # Errors
    /// `LimitExceeded` where the address has as many as it may.
    pub(crate) fn acquire_socket(&self, context: &RequestContext) -> Result<CallerPermit> {
        let permits = &self.0.sockets;
        permits
            .acquire(CallerKey::of_address(context.address))
            .ok_or_else(|| Error::LimitExceeded {
                limit: "max-sockets-per-address",
                max: permits.max() as u64,
                asked: None,
                advice: "close another socket of your address first, or run several operations on one",
            })
    }

    /// Waits until the caller runs few enough operations.
    ///
    /// # Errors
    /// `TooManyAtOnce` where too many of them wait.
    pub(crate) async fn acquire_operation(
        &self,
        context: &RequestContext,
    ) -> Result<OperationPermit> {
        self.0.operations.acquire(key_of(context)).await
    }

    /// Waits until the subscription may start: a thousand simultaneous starts must not take every
    /// database connection and much memory.
    pub(crate) async fn acquire_opening(&self, context: &RequestContext) -> Option<Opening> {
        // Never full: as many may wait as there are subscriptions.
        self.0.openings.acquire(key_of(context)).await.ok()
    }

    /// A permit for a subscription.
    ///
    /// # Errors
    /// `TooManyAtOnce` where the caller has as many as it may, `LimitExceeded` where the server
    /// has.
    pub(crate) fn acquire_subscription(
        &self,
        context: &RequestContext,
    ) -> Result<SubscriptionPermit> {
        let of_callers = &self.0.subscriptions_of_callers;
        let of_caller = of_callers.acquire(key_of(context));
        let of_caller = of_caller.ok_or_else(|| Error::TooManyAtOnce {
            limit: "max-subscriptions-per-caller",
            max: of_callers.max() as u64,
            what: "subscriptions of yours run, of which one may be to several builds or steps",
            seconds: RETRY_SECONDS,
        })?;
        let permits = self.0.subscriptions.clone();
        let of_all = permits
            .try_acquire_owned()
            .map_err(|_| Error::LimitExceeded {
                limit: "max-subscriptions",
                max: self.0.max_subscriptions as u64,
                asked: None,
                advice: "this server has as many subscriptions as it may; try again later",
            })?;
        Ok(SubscriptionPermit {
            _of_all: of_all,
            _of_caller: of_caller,
        })
    }
}
