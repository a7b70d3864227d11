//! The bytes of requests that are not all there yet: how many callers may hold of them, together
//! and each.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::domain::{
    caller_key::CallerKey,
    error::{Error, Result},
};

/// How many bytes all callers may hold. An honest server is far from it; without it one address
/// could hold its connections times the largest request.
const MAX: usize = 128 * 1_024 * 1_024;
/// How many of them one caller may hold, or one IPv6 site, so that there is room for others.
const MAX_OF_CALLER: usize = MAX / 2;

/// The bytes that are held. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incoming(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    of_all: usize,
    /// Who holds none has no entry.
    of_callers: HashMap<CallerKey, usize>,
}

/// The bytes of one request. Given back when dropped.
#[derive(Debug)]
pub(crate) struct IncomingShare {
    incoming: Incoming,
    key: CallerKey,
    bytes: usize,
}

impl Incoming {
    /// A share of this caller, with nothing in it yet.
    pub(crate) fn share(&self, key: &CallerKey) -> IncomingShare {
        IncomingShare {
            incoming: self.clone(),
            key: key.site().unwrap_or_else(|| key.clone()),
            bytes: 0,
        }
    }
}

impl IncomingShare {
    /// Takes more bytes.
    ///
    /// # Errors
    /// `OutOfMemory` where the caller, or all of them, would hold too many; then none are taken.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<()> {
        // Most requests are short, and take nothing.
        if bytes == 0 {
            return Ok(());
        }
        let mut held = self.incoming.0.lock();
        let of_caller = held.of_callers.get(&self.key).copied().unwrap_or_default();
        if held.of_all + bytes > MAX || of_caller + bytes > MAX_OF_CALLER {
            return Err(Error::OutOfMemory);
        }
        held.of_all += bytes;
        held.of_callers.insert(self.key.clone(), of_caller + bytes);
        self.bytes += bytes;
        Ok(())
    }

    /// Gives all of them back.
    pub(crate) fn clear(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut held = self.incoming.0.lock();
        held.of_all -= self.bytes;
        if let Some(of_caller) = held.of_callers.get_mut(&self.key) {
            *of_caller -= self.bytes;
            if *of_caller == 0 {
                held.of_callers.remove(&self.key);
            }
        }
        self.bytes = 0;
    }
}

impl Drop for IncomingShare {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(address: &str) -> CallerKey {
        CallerKey::of_address(address.parse().expect("an address"))
    }

    #[test]
    fn no_caller_holds_more_than_half_and_all_comes_back() {
        let incoming = Incoming::default();
        let mut first = incoming.share(&caller("192.0.2.1"));
        first.grow(MAX_OF_CALLER).expect("its share");
        let mut more = incoming.share(&caller("192.0.2.1"));
        assert!(matches!(more.grow(1), Err(Error::OutOfMemory)));
        let mut other = incoming.share(&caller("192.0.2.2"));
        other.grow(MAX_OF_CALLER).expect("room for another");
        let mut third = incoming.share(&caller("192.0.2.3"));
        assert!(third.grow(1).is_err(), "all is held");
        first.clear();
        third.grow(1).expect("what came back");
        more.grow(1).expect("its share again");
        drop((first, more, other, third));
        let held = incoming.0.lock();
        assert_eq!((held.of_all, held.of_callers.len()), (0, 0));
    }

    #[test]
    fn networks_of_one_site_share() {
        let incoming = Incoming::default();
        let mut first = incoming.share(&caller("2001:db8:7::1"));
        first.grow(MAX_OF_CALLER).expect("its share");
        let mut neighbour = incoming.share(&caller("2001:db8:7:1::1"));
        assert!(neighbour.grow(1).is_err());
        let mut other = incoming.share(&caller("2001:db8:8::1"));
        other.grow(1).expect("another site");
    }
}
