//! Whether a mutation's client still waits for it.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use futures_util::future::BoxFuture;

use crate::{
    domain::error::{Error, Result},
    store::db::transaction::{Txn, Work},
};

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const LEFT: u8 = 2;

/// Whether a mutation's client still waits, and whether the mutation has begun to write. One that
/// has begun runs to its end; one that still waits for others is not run for nobody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presence(Arc<AtomicU8>);

impl Presence {
    /// Begins to write, or goes on.
    ///
    /// # Errors
    /// `Unavailable` where the client left before; nobody reads it.
    pub(crate) fn begin(&self) -> Result<()> {
        match self.pass_to(BEGUN) {
            Ok(_) | Err(BEGUN) => Ok(()),
            Err(_) => Err(Error::Unavailable),
        }
    }

    /// The client, which leaves when this is dropped.
    #[must_use]
    pub(crate) fn client(&self) -> Client {
        Client(self.clone())
    }

    fn pass_to(&self, state: u8) -> Result<u8, u8> {
        let order = Ordering::SeqCst;
        self.0.compare_exchange(WAITING, state, order, order)
    }
}

/// A client that waits for its mutation.
#[derive(Debug)]
pub(crate) struct Client(Presence);

impl Drop for Client {
    fn drop(&mut self) {
        // Not if the mutation has begun.
        let _ = self.0.pass_to(LEFT);
    }
}

/// Work that is not begun for a client that has left.
pub(crate) struct IfPresent<'w, W> {
    pub(crate) presence: &'w Presence,
    pub(crate) work: &'w W,
}

impl<T: Send, W: Work<T>> Work<T> for IfPresent<'_, W> {
    fn run<'t>(&'t self, txn: &'t Txn) -> BoxFuture<'t, Result<T>> {
        // Only now: until here it waited for other writers.
        match self.presence.begin() {
            Ok(()) => self.work.run(txn),
            Err(left) => Box::pin(async { Err(left) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_begun_goes_on_and_what_has_not_is_left() {
        let presence = Presence::default();
        drop(presence.client());
        presence.begin().expect_err("nobody waits");
        let presence = Presence::default();
        let client = presence.client();
        presence.begin().expect("the client waits");
        drop(client);
        presence.begin().expect("it has begun");
    }
}
