//! Permits of which each caller may have a limited number at once.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::domain::caller_key::{CallerKey, SITE_SHARES};

/// Permits, counted by caller and, with IPv6, by site. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct CallerPermits {
    max: usize,
    /// Who has no permit has no entry.
    taken: Arc<Mutex<HashMap<CallerKey, usize>>>,
}

/// A permit, given back when dropped.
#[derive(Debug)]
pub(crate) struct CallerPermit {
    permits: CallerPermits,
    key: CallerKey,
}

impl CallerPermits {
    /// Each caller may have `max`, and an IPv6 site some times as many; 0 is without a limit.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            taken: Arc::default(),
        }
    }

    /// How many each caller may have.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// A permit for this caller; `None` where it, or its site, has the most allowed.
    pub(crate) fn acquire(&self, key: CallerKey) -> Option<CallerPermit> {
        let mut taken = self.taken.lock();
        let has_room = |key: &CallerKey, max: usize| {
            self.max == 0 || taken.get(key).is_none_or(|count| *count < max)
        };
        let site = key.site();
        let site_max = self.max.saturating_mul(SITE_SHARES);
        if !has_room(&key, self.max) || site.as_ref().is_some_and(|s| !has_room(s, site_max)) {
            return None;
        }
        for counted in site.into_iter().chain([key.clone()]) {
            *taken.entry(counted).or_default() += 1;
        }
        drop(taken);
        Some(CallerPermit {
            permits: self.clone(),
            key,
        })
    }
}

impl Drop for CallerPermit {
    fn drop(&mut self) {
        let mut taken = self.permits.taken.lock();
        for counted in self.key.site().iter().chain([&self.key]) {
            if let Some(count) = taken.get_mut(counted) {
                *count -= 1;
                if *count == 0 {
                    taken.remove(counted);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> CallerKey {
        CallerKey::of_address(text.parse().expect("an address"))
    }

    #[test]
    fn a_caller_has_so_many_and_an_ipv6_network_is_one() {
        let permits = CallerPermits::new(2);
        let acquire = |text: &str| permits.acquire(of(text));
        let first = acquire("2001:db8::1");
        let second = acquire("2001:db8::ffff:2");
        assert!(first.is_some() && second.is_some());
        assert!(acquire("2001:db8::3").is_none());
        assert!(acquire("2001:db8:0:1::3").is_some(), "another network");
        assert!(acquire("192.0.2.1").is_some());
        drop(first);
        let third = acquire("2001:db8::3");
        assert!(third.is_some() && acquire("2001:db8::1").is_none());
        drop((second, third));
        assert!(permits.taken.lock().is_empty(), "who has none is forgotten");
    }

    #[test]
    fn a_site_has_some_times_as_many() {
        let permits = CallerPermits::new(1);
        let acquire = |network: usize| permits.acquire(of(&format!("2001:db8:0:{network:x}::1")));
        let mut taken: Vec<_> = (0..100).map_while(acquire).collect();
        assert_eq!(taken.len(), SITE_SHARES);
        assert!(permits.acquire(of("2001:db8:1::1")).is_some(), "another");
        taken.pop();
        assert!(acquire(99).is_some());
    }

    #[test]
    fn zero_is_without_a_limit() {
        let permits = CallerPermits::new(0);
        let many: Vec<_> = (0..100)
            .map_while(|_| permits.acquire(of("2001:db8::1")))
            .collect();
        assert_eq!(many.len(), 100);
    }
}
