//! Leases: a socket or an event stream stays open as long as its caller's token is valid.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    future::pending,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{select, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{auth::token::TokenHash, clock::Clock, domain::error::Error};

/// The longest sleep of a lease, in seconds: a timer does not notice when the system's clock is
/// set.
const MAX_SLEEP: u64 = 60;

/// A future that completes when the token is no longer valid, with the reason.
pub(crate) struct TokenLease(BoxFuture<'static, Error>);

impl TokenLease {
    /// A lease without an end.
    pub(crate) fn always() -> Self {
        Self(Box::pin(pending()))
    }

    /// A lease that ends with this one or that future, whichever is first.
    pub(crate) fn or(self, other: impl Future<Output = Error> + Send + 'static) -> Self {
        Self(Box::pin(async move {
            select! {
                why = self => why,
                why = other => why,
            }
        }))
    }

    /// A lease that ends at this second since the epoch.
    pub(crate) fn until(end: i64, why: Error) -> Self {
        Self(Box::pin(async move {
            loop {
                let left = end - Clock::System.now();
                let Ok(left @ 1..) = u64::try_from(left) else {
                    return why;
                };
                sleep(Duration::from_secs(left.min(MAX_SLEEP))).await;
            }
        }))
    }
}

impl Future for TokenLease {
    type Output = Error;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Error> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for TokenLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenLease")
    }
}

/// The stored tokens that have leases. A token's leases share one signal, and they alone own it.
#[derive(Debug, Default)]
pub(crate) struct TokenLeases(Mutex<HashMap<TokenHash, Weak<CancellationToken>>>);

impl TokenLeases {
    /// A lease that ends with this reason when its token is revoked.
    pub(crate) fn lease(&self, hash: &TokenHash, why: Error) -> TokenLease {
        // One lock for the lookup and the insertion, or two first leases would not share a signal.
        let mut leased = self.0.lock();
        let known = leased.get(hash).and_then(Weak::upgrade);
        let ended = known.unwrap_or_else(|| {
            let ended = Arc::new(CancellationToken::new());
            leased.insert(hash.clone(), Arc::downgrade(&ended));
            ended
        });
        TokenLease(Box::pin(async move {
            ended.cancelled().await;
            why
        }))
    }

    /// Lists the tokens that have leases, and drops the entries of the others.
    pub(crate) fn leased(&self) -> Vec<TokenHash> {
        let mut leased = self.0.lock();
        leased.retain(|_, ended| ended.strong_count() > 0);
        leased.keys().cloned().collect()
    }

    /// Ends this token's leases.
    pub(crate) fn end(&self, hash: &TokenHash) {
        // The lock is released before `cancel`, which wakes every holder.
        let ended = self.0.lock().remove(hash);
        if let Some(ended) = ended.and_then(|ended| ended.upgrade()) {
            ended.cancel();
        }
    }

    /// Ends the leases of those tokens in `leased` that are not in `stored`.
    pub(crate) fn end_all_but(&self, leased: &[TokenHash], stored: Vec<String>) {
        let stored: HashSet<TokenHash> = stored.into_iter().map(Into::into).collect();
        for hash in leased.iter().filter(|hash| !stored.contains(hash)) {
            self.end(hash);
        }
    }
}
