//! Buckets of points that refill. A bucket is kept as the moment at which it is full again; a full
//! one is not kept.

use std::{collections::HashMap, hash::Hash, time::Duration};

use tokio::time::Instant;

use crate::domain::error::{Error, Result};

/// How many buckets are kept, so that callers from many addresses cannot fill the memory.
const MAX_BUCKETS: usize = 100_000;

/// How much a bucket holds, in points, and how fast it refills.
#[derive(Debug)]
pub(crate) struct BucketPolicy {
    points: u64,
    per_second: u64,
}

impl BucketPolicy {
    /// `None` where points are not counted.
    pub(crate) fn new(points: u64, per_second: u64) -> Option<Self> {
        (points > 0).then_some(Self { points, per_second })
    }

    /// How many points a full bucket holds.
    pub(crate) fn points(&self) -> u64 {
        self.points
    }

    /// How long these points take to come back.
    fn time_for(&self, points: u64) -> Duration {
        // The product of points and a billion may not fit into a u64.
        let nanos = u128::from(points) * 1_000_000_000 / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many points come back in this time.
    fn points_in(&self, time: Duration) -> u64 {
        let points = time.as_nanos() * u128::from(self.per_second) / 1_000_000_000;
        u64::try_from(points).unwrap_or(u64::MAX)
    }
}

/// What a caller has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateStatus {
    /// What a full bucket holds, in points.
    pub(crate) max: u64,
    /// How long an empty bucket takes to be full, in whole seconds.
    pub(crate) window: u64,
    /// What the bucket holds, in points.
    pub(crate) left: u64,
    /// How long the bucket takes to be full, in whole seconds.
    pub(crate) full_in: u64,
}

/// Everybody's buckets.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    /// When each bucket is full again. A missing entry or a past instant is a full bucket.
    full_at: HashMap<K, Instant>,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self {
            full_at: HashMap::new(),
        }
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// What a bucket lacks, as the time until it is full.
    fn missing(&self, key: &K, now: Instant) -> Duration {
        self.full_at
            .get(key)
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    /// Takes the points; where there are fewer, takes none and fails.
    pub(crate) fn spend(
        &mut self,
        policy: &BucketPolicy,
        key: K,
        cost: u64,
        now: Instant,
    ) -> Result<()> {
        self.check(policy, &key, cost, now)?;
        // Not more than a full bucket, or it would take longer than `window` to refill.
        self.charge(policy, key, cost.min(policy.points), now);
        Ok(())
    }

    /// Fails where there are fewer points.
    pub(crate) fn check(
        &self,
        policy: &BucketPolicy,
        key: &K,
        cost: u64,
        now: Instant,
    ) -> Result<()> {
        // A bucket that lacks this much still holds the cost.
        let may_miss = policy.time_for(policy.points - cost.min(policy.points));
        let wait = self.missing(key, now).saturating_sub(may_miss);
        if wait.is_zero() {
            return Ok(());
        }
        Err(Error::RateLimited {
            cost,
            left: self.status(policy, key, now).left,
            max: policy.points,
            seconds: whole_seconds(wait),
        })
    }

    /// Takes the points, whether they are there or not.
    pub(crate) fn charge(&mut self, policy: &BucketPolicy, key: K, cost: u64, now: Instant) {
        let missing = self.missing(&key, now) + policy.time_for(cost);
        if self.full_at.len() >= MAX_BUCKETS && !self.full_at.contains_key(&key) {
            self.make_room(now);
        }
        // A moment too far to exist is beyond what anybody waits for.
        if let Some(at) = now.checked_add(missing) {
            self.full_at.insert(key, at);
        }
    }

    pub(crate) fn status(&self, policy: &BucketPolicy, key: &K, now: Instant) -> RateStatus {
        let (missing, whole) = (self.missing(key, now), policy.time_for(policy.points));
        RateStatus {
            max: policy.points,
            window: whole_seconds(whole),
            left: policy.points_in(whole.saturating_sub(missing)),
            full_in: whole_seconds(missing),
        }
    }

    /// Forgets full buckets and, where those are too few, the tenth that lacks the least.
    fn make_room(&mut self, now: Instant) {
        self.full_at.retain(|_, at| *at > now);
        if self.full_at.len() < MAX_BUCKETS {
            return;
        }
        // A tenth at a time, since each pass visits every bucket.
        let mut times: Vec<Instant> = self.full_at.values().copied().collect();
        let (_, latest, _) = times.select_nth_unstable(MAX_BUCKETS / 10);
        let latest = *latest;
        self.full_at.retain(|_, at| *at > latest);
    }
}

/// Whole seconds, rounded up.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn bucket() -> (BucketPolicy, Buckets<u32>, Instant) {
        let policy = BucketPolicy::new(1_000, 10).expect("points");
        (policy, Buckets::default(), Instant::now())
    }

    #[test]
    fn points_are_spent_and_come_back() {
        let (policy, mut all, now) = bucket();
        let left = |all: &Buckets<u32>, now| all.status(&policy, &1, now).left;
        assert_eq!(left(&all, now), 1_000);
        all.spend(&policy, 1, 990, now).expect("there are enough");
        assert_eq!(left(&all, now), 10);
        let refused = all.spend(&policy, 1, 25, now).expect_err("too few");
        let Error::RateLimited {
            cost,
            left: shown,
            max,
            seconds,
        } = refused
        else {
            panic!("{refused}");
        };
        assert_eq!((cost, shown, max, seconds), (25, 10, 1_000, 2));
        assert_eq!(left(&all, now), 10, "what is refused costs nothing");
        all.spend(&policy, 2, 1_000, now).expect("another's bucket");
        assert!(all.spend(&policy, 1, 25, now + SECOND).is_err());
        all.spend(&policy, 1, 25, now + 2 * SECOND)
            .expect("what was said is true");
        let status = all.status(&policy, &1, now + 2 * SECOND);
        assert_eq!((status.left, status.full_in), (5, 100));
        assert_eq!(left(&all, now + 1_000 * SECOND), 1_000, "not above full");
    }

    #[test]
    fn what_costs_more_than_a_bucket_holds_needs_a_full_one() {
        let (policy, mut all, now) = bucket();
        all.spend(&policy, 1, 10, now).expect("it is full");
        assert!(all.spend(&policy, 1, 5_000, now).is_err());
        all.spend(&policy, 1, 5_000, now + SECOND)
            .expect("it is full again");
        assert_eq!(all.status(&policy, &1, now + SECOND).left, 0);
        all.spend(&policy, 1, 1_000, now + 101 * SECOND)
            .expect("an emptied one fills in the usual time");
    }

    #[test]
    fn what_is_done_already_is_owed() {
        let (policy, mut all, now) = bucket();
        all.charge(&policy, 1, 1_500, now);
        assert_eq!(all.status(&policy, &1, now).left, 0);
        assert!(all.spend(&policy, 1, 1, now + 50 * SECOND).is_err());
        all.spend(&policy, 1, 1, now + 51 * SECOND)
            .expect("the debt is paid");
        all.charge(&policy, 1, u64::MAX, now);
        assert!(all.spend(&policy, 1, 1, now).is_err());
    }

    #[test]
    fn memory_is_bounded_and_who_owes_most_is_remembered() {
        let (policy, mut all, now) = bucket();
        let most = u32::try_from(MAX_BUCKETS).expect("a small number");
        for who in 0..most {
            all.charge(&policy, who, 1, now);
        }
        all.charge(&policy, most, 1, now + SECOND);
        assert_eq!(all.full_at.len(), 1, "full buckets are forgotten");

        for who in 0..3 * most {
            all.charge(&policy, who, u64::from(who % 900 + 100), now);
            all.charge(&policy, 7, 1, now);
        }
        assert!(all.full_at.len() <= MAX_BUCKETS);
        assert_eq!(all.status(&policy, &7, now).left, 0);
    }
}
