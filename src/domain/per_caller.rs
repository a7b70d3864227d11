//! What each caller has for as long as something holds it.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use crate::domain::caller_key::CallerKey;

/// A value for each caller that has one; who has none left is forgotten. The networks of an IPv6
/// site are one caller, since who has the site has them all.
#[derive(Debug)]
pub(crate) struct PerCaller<T>(Mutex<HashMap<CallerKey, Weak<T>>>);

impl<T> Default for PerCaller<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> PerCaller<T> {
    /// The caller's value, which is made where it has none.
    pub(crate) fn get(&self, key: &CallerKey, make: impl FnOnce() -> T) -> Arc<T> {
        let key = key.site().unwrap_or_else(|| key.clone());
        let mut callers = self.0.lock();
        if let Some(known) = callers.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        // Before the map would grow.
        if callers.len() == callers.capacity() {
            callers.retain(|_, value| value.strong_count() > 0);
        }
        let value = Arc::new(make());
        callers.insert(key, Arc::downgrade(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_one_caller_and_who_has_nothing_is_forgotten() {
        let values = PerCaller::default();
        let get = |address: &str, new: u32| {
            let address = address.parse().expect("an address");
            values.get(&CallerKey::of_address(address), || new)
        };
        let kept = get("2001:db8:0:1::1", 1);
        assert_eq!(*get("2001:db8:0:2::1", 2), 1, "another network of the site");
        for n in 0..200 {
            let address = format!("192.0.2.{n}");
            assert_eq!(*get(&address, n), n);
            assert_eq!(*get(&address, 1_000), 1_000, "the first was dropped");
        }
        assert!(values.0.lock().len() < 100);
        assert_eq!(*get("2001:db8:0:3::1", 3), 1);
        drop(kept);
        assert_eq!(*get("2001:db8:0:3::1", 3), 3);
    }
}
