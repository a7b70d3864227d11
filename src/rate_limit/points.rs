//! The points of callers: each has its bucket and, with IPv6, its site has one that holds more.

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    domain::{
        caller_key::{CallerKey, SITE_SHARES},
        error::Result,
    },
    rate_limit::bucket::{BucketPolicy, Buckets, RateStatus},
};

/// The points of all callers.
#[derive(Debug)]
pub(crate) struct Points {
    callers: BucketPolicy,
    sites: BucketPolicy,
    state: Mutex<PointsState>,
}

/// Apart, so that the buckets of sites do not crowd out those of callers.
#[derive(Debug, Default)]
struct PointsState {
    callers: Buckets<CallerKey>,
    sites: Buckets<CallerKey>,
}

impl Points {
    /// `None` where points are not counted.
    pub(crate) fn new(points: u64, per_second: u64) -> Option<Self> {
        let of_site = |of_one: u64| of_one.saturating_mul(SITE_SHARES as u64);
        Some(Self {
            callers: BucketPolicy::new(points, per_second)?,
            sites: BucketPolicy::new(of_site(points), of_site(per_second))?,
            state: Mutex::default(),
        })
    }

    /// Takes the points.
    ///
    /// # Errors
    /// `RateLimited` where the caller or its site has fewer; then none are taken.
    pub(crate) fn spend(&self, key: &CallerKey, cost: u64) -> Result<()> {
        let (mut state, now) = (self.state.lock(), Instant::now());
        let site = key.site();
        if let Some(site) = &site {
            state.sites.check(&self.sites, site, cost, now)?;
        }
        state.callers.spend(&self.callers, key.clone(), cost, now)?;
        if let Some(site) = site {
            state.sites.charge(&self.sites, site, cost, now);
        }
        Ok(())
    }

    /// Takes the points, whether they are there or not.
    pub(crate) fn charge(&self, key: &CallerKey, cost: u64) {
        let (mut state, now) = (self.state.lock(), Instant::now());
        state.callers.charge(&self.callers, key.clone(), cost, now);
        if let Some(site) = key.site() {
            // A network's debt is its own, or it could take all points of its neighbours.
            let cost = cost.min(self.callers.points());
            state.sites.charge(&self.sites, site, cost, now);
        }
    }

    /// What a caller has left.
    pub(crate) fn status(&self, key: &CallerKey) -> RateStatus {
        let state = self.state.lock();
        state.callers.status(&self.callers, key, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_has_the_points_of_some_networks() {
        let points = Points::new(1_000, 1).expect("points");
        let key = |network: usize| {
            let address = format!("2001:db8:0:{network:x}::1");
            CallerKey::of_address(address.parse().expect("an address"))
        };
        let paid = (0..100).take_while(|network| points.spend(&key(*network), 1_000).is_ok());
        assert_eq!(paid.count(), SITE_SHARES);
        assert!(points.spend(&key(99), 1).is_err());
        assert_eq!(points.status(&key(99)).left, 1_000, "nothing was taken");
        let neighbour = CallerKey::of_address("2001:db8:2::1".parse().expect("an address"));
        points.charge(&neighbour, u64::MAX);
        let other = CallerKey::of_address("2001:db8:2:1::1".parse().expect("an address"));
        points
            .spend(&other, 1_000)
            .expect("a debt is a network's own");
        let other = CallerKey::of_address("2001:db8:1::1".parse().expect("an address"));
        points.spend(&other, 1_000).expect("another site");
        assert!(
            points.spend(&other, 1).is_err(),
            "one network has its share"
        );
    }
}
