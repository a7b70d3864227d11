//! Permits of which each address may have a limited number at once.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;

use crate::rate_limit::client_network::client_network;

/// Permits, counted by address. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct AddressPermits {
    max: usize,
    /// An address without permits has no entry.
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A permit, given back when dropped.
#[derive(Debug)]
pub(crate) struct AddressPermit {
    permits: AddressPermits,
    address: IpAddr,
}

impl AddressPermits {
    /// Each address may have `max`; 0 is without a limit.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            taken: Arc::default(),
        }
    }

    /// How many each address may have.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// A permit for this address or, with IPv6, its network; `None` where it has the most allowed.
    pub(crate) fn acquire(&self, address: IpAddr) -> Option<AddressPermit> {
        let address = client_network(address);
        {
            let mut taken = self.taken.lock();
            let count = taken.entry(address).or_default();
            if self.max > 0 && *count >= self.max {
                return None;
            }
            *count += 1;
        }
        Some(AddressPermit {
            permits: self.clone(),
            address,
        })
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut taken = self.permits.taken.lock();
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_and_an_ipv6_network_is_one() {
        let permits = AddressPermits::new(2);
        let of = |text: &str| permits.acquire(text.parse().expect("an address"));
        let first = of("2001:db8::1");
        let second = of("2001:db8::ffff:2");
        assert!(first.is_some() && second.is_some());
        assert!(of("2001:db8::3").is_none());
        assert!(of("2001:db8:0:1::3").is_some(), "another network");
        assert!(of("192.0.2.1").is_some());
        drop(first);
        let third = of("2001:db8::3");
        assert!(third.is_some() && of("2001:db8::1").is_none());
        drop((second, third));
        assert!(permits.taken.lock().is_empty(), "who has none is forgotten");
    }

    #[test]
    fn zero_is_without_a_limit() {
        let permits = AddressPermits::new(0);
        let address = "192.0.2.1".parse().expect("an address");
        let many: Vec<_> = (0..100).map_while(|_| permits.acquire(address)).collect();
        assert_eq!(many.len(), 100);
    }
}
