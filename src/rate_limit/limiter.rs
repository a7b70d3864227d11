//! What each caller may still take of a server.

use std::{net::IpAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{
    auth::{caller::Identity, request_context::RequestContext, scope::Scope},
    config::rate::RateConfig,
    domain::error::{Error, Result},
    rate_limit::{
        bucket::{BucketPolicy, Buckets, RateStatus},
        caller_turns::{CallerTurn, CallerTurns},
        client_network::client_network,
        permit::{AddressPermit, AddressPermits},
    },
};

/// The least that a request costs, in points.
pub(crate) const MIN_COST: u64 = 1;
/// What a request without a sufficient token costs, in points: much, to make guessing expensive.
const REJECTED_COST: u64 = 100;

/// Whose points are spent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RateKey {
    /// Everybody of this address or, with IPv6, of its network.
    Address(IpAddr),
    /// Every caller with this identity, from any address.
    Token(Identity),
}

impl RateKey {
    fn of(context: &RequestContext) -> Self {
        match context.caller.identity() {
            Some(token) => Self::Token(token.clone()),
            // A rejected caller has no identity, so guesses are charged to the address.
            None => Self::Address(client_network(context.address)),
        }
    }
}

/// What callers have taken of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct RateLimiter(Arc<LimiterState>);

#[derive(Debug)]
struct LimiterState {
    /// `None` where points are not counted.
    policy: Option<BucketPolicy>,
    buckets: Mutex<Buckets<RateKey>>,
    sockets: AddressPermits,
    subscriptions: Arc<Semaphore>,
    max_subscriptions: usize,
    snapshots: CallerTurns<RateKey>,
}

impl RateLimiter {
    pub(crate) fn new(config: &RateConfig) -> Self {
        let permits = match config.max_subscriptions {
            0 => Semaphore::MAX_PERMITS,
            // `Semaphore::new` panics above that.
            max => max.min(Semaphore::MAX_PERMITS),
        };
        Self(Arc::new(LimiterState {
            policy: BucketPolicy::new(config.rate_points, config.rate_points_per_second),
            buckets: Mutex::default(),
            sockets: AddressPermits::new(config.max_sockets_per_address),
            subscriptions: Arc::new(Semaphore::new(permits)),
            max_subscriptions: config.max_subscriptions,
            snapshots: CallerTurns::new(config.max_snapshots_per_caller),
        }))
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

    /// Takes the points. A cost above what a bucket holds needs a full one, and empties it.
    ///
    /// # Errors
    /// `RateLimited` where the caller has fewer; then none are taken.
    pub(crate) fn spend(&self, context: &RequestContext, cost: u64) -> Result<()> {
        self.with_buckets(context, |policy, buckets, key, now| {
            buckets.spend(policy, key, cost, now)
        })
        // `None` means that points are not counted.
        .unwrap_or(Ok(()))
    }

    /// Takes the points for work already done. The caller owes those that it does not have.
    pub(crate) fn charge(&self, context: &RequestContext, cost: u64) {
        self.with_buckets(context, |policy, buckets, key, now| {
            buckets.charge(policy, key, cost, now);
        });
    }

    /// What the caller has left; `None` where points are not counted.
    pub(crate) fn status(&self, context: &RequestContext) -> Option<RateStatus> {
        self.with_buckets(context, |policy, buckets, key, now| {
            buckets.status(policy, &key, now)
        })
    }

    fn with_buckets<T>(
        &self,
        context: &RequestContext,
        act: impl FnOnce(&BucketPolicy, &mut Buckets<RateKey>, RateKey, Instant) -> T,
    ) -> Option<T> {
        let policy = self.0.policy.as_ref()?;
        let key = RateKey::of(context);
        let mut buckets = self.0.buckets.lock();
        Some(act(policy, &mut buckets, key, Instant::now()))
    }

    /// A permit for a socket of the caller's address.
    ///
    /// # Errors
    /// `LimitExceeded` where the address has as many as it may.
    pub(crate) fn acquire_socket(&self, context: &RequestContext) -> Result<AddressPermit> {
        let permits = &self.0.sockets;
        permits
            .acquire(context.address)
            .ok_or_else(|| Error::LimitExceeded {
                limit: "max-sockets-per-address",
                max: permits.max() as u64,
                asked: None,
                advice: "close another socket of your address first, or run several operations on one",
            })
    }

    /// Waits for the caller's turn to read a long snapshot.
    pub(crate) async fn snapshot_turn(&self, context: &RequestContext) -> CallerTurn<RateKey> {
        self.0.snapshots.wait(RateKey::of(context)).await
    }

    /// A permit for a subscription.
    ///
    /// # Errors
    /// `LimitExceeded` where the server has as many as it may.
    pub(crate) fn acquire_subscription(&self) -> Result<OwnedSemaphorePermit> {
        let permits = self.0.subscriptions.clone();
        permits
            .try_acquire_owned()
            .map_err(|_| Error::LimitExceeded {
                limit: "max-subscriptions",
                max: self.0.max_subscriptions as u64,
                asked: None,
                advice: "this server has as many subscriptions as it may; try again later",
            })
    }
}
