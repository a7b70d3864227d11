//! How much each caller may take: points of cost, sockets; and how many subscriptions all may have together.

pub(crate) mod bucket;
pub(crate) mod permit;

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{
    auth::{caller, request_context::RequestContext, scope::Scope},
    config::rate::RateConfig,
    domain::error::{Error, Result},
    rate_limit::{
        bucket::{BucketPolicy, Buckets},
        permit::{AddressPermit, AddressPermits},
    },
};

/// What asking costs at least, in points.
pub(crate) const ASKED: u64 = 1;
/// What it costs to be turned away for want of a right token, in points.
const STRANGER: u64 = 100;

/// Whose points are spent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum RateKey {
    /// Everybody of this address; of an IPv6 one, everybody of its network, since who has one has them all.
    Address(IpAddr),
    /// Who has shown this token, from wherever.
    Token(caller::Identity),
}

impl RateKey {
    fn of(context: &RequestContext) -> Self {
        match context.caller.identity() {
            Some(token) => Self::Token(token.clone()),
            None => Self::Address(client_network(context.address)),
        }
    }
}

/// The address that stands for all that one customer of a provider has: an IPv6 address without its last 64 bits.
#[must_use]
pub(crate) fn client_network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let bits = v6.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(bits).into()
        }
    }
}

/// What callers have taken of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct RateLimiter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// None where points are not counted.
    policy: Option<BucketPolicy>,
    buckets: Mutex<Buckets<RateKey>>,
    sockets: AddressPermits,
    subscriptions: Arc<Semaphore>,
    max_subscriptions: usize,
}

/// How a caller stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateStatus {
    /// The most that it can have, in points.
    pub(crate) max: u64,
    /// How long an empty bucket takes to be full, in whole seconds.
    pub(crate) window: u64,
    /// What it has, in points.
    pub(crate) left: u64,
    /// How long it takes until it has all of them again, in whole seconds.
    pub(crate) full_in: u64,
}

impl RateLimiter {
    /// Nobody has taken anything yet.
    #[must_use]
    pub(crate) fn new(config: &RateConfig) -> Self {
        let permits = match config.max_subscriptions {
            0 => Semaphore::MAX_PERMITS,
            max => max.min(Semaphore::MAX_PERMITS),
        };
        Self(Arc::new(Inner {
            policy: BucketPolicy::new(config.rate_points, config.rate_points_per_second),
            buckets: Mutex::default(),
            sockets: AddressPermits::new(config.max_sockets_per_address),
            subscriptions: Arc::new(Semaphore::new(permits)),
            max_subscriptions: config.max_subscriptions,
        }))
    }

    /// Lets the caller through who may read. Who may not pays for having asked, so that nobody tries tokens for long.
    ///
    /// # Errors
    /// Why the caller may not read, or `RateLimited` where it has asked too often.
    pub(crate) fn admit(&self, context: &RequestContext) -> Result<()> {
        context.caller.require(Scope::Read).or_else(|refusal| {
            self.spend(context, STRANGER)?;
            Err(refusal)
        })
    }

    /// Takes so many points. What costs more than a bucket holds needs a full one, and empties it.
    ///
    /// # Errors
    /// `RateLimited` where the caller has less; then nothing is taken.
    pub(crate) fn spend(&self, context: &RequestContext, cost: u64) -> Result<()> {
        self.with(context, |policy, buckets, who, now| {
            buckets.spend(policy, who, cost, now)
        })
        .unwrap_or(Ok(()))
    }

    /// Takes so many points for what is done already; what the caller does not have it owes.
    pub(crate) fn charge(&self, context: &RequestContext, cost: u64) {
        self.with(context, |policy, buckets, who, now| {
            buckets.charge(policy, who, cost, now);
        });
    }

    /// How the caller stands; none where points are not counted.
    #[must_use]
    pub(crate) fn standing(&self, context: &RequestContext) -> Option<RateStatus> {
        self.with(context, |policy, buckets, who, now| {
            buckets.standing(policy, &who, now)
        })
    }

    fn with<T>(
        &self,
        context: &RequestContext,
        act: impl FnOnce(&BucketPolicy, &mut Buckets<RateKey>, RateKey, Instant) -> T,
    ) -> Option<T> {
        let policy = self.0.policy.as_ref()?;
        let mut buckets = self
            .0
            .buckets
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Some(act(
            policy,
            &mut buckets,
            RateKey::of(context),
            Instant::now(),
        ))
    }

    /// A place for a socket of the caller's address.
    ///
    /// # Errors
    /// `LimitExceeded` where it has as many as it may.
    pub(crate) fn socket(&self, context: &RequestContext) -> Result<AddressPermit> {
        let permits = &self.0.sockets;
        permits
            .take(context.address)
            .ok_or_else(|| Error::LimitExceeded {
                limit: "max-sockets-per-address",
                max: permits.max() as u64,
                asked: None,
                advice: "close another socket of your address first, or run several operations on one",
            })
    }

    /// A place for a subscription.
    ///
    /// # Errors
    /// `LimitExceeded` where the server has as many as it may.
    pub(crate) fn subscription(&self) -> Result<OwnedSemaphorePermit> {
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
