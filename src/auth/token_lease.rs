//! What stays open for as long as a token is good: sockets and event streams.

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{auth::token::TokenHash, clock::Clock, domain::error::Error};

/// Comes to its end when a token is no longer good, and says why; never where it always is.
pub(crate) struct TokenLease(BoxFuture<'static, Error>);

impl TokenLease {
    /// One without an end.
    #[must_use]
    pub(crate) fn always() -> Self {
        Self(Box::pin(pending()))
    }

    /// One that ends at this second since the epoch.
    pub(crate) fn until(end: i64, why: Error) -> Self {
        Self(Box::pin(async move {
            loop {
                let left = end - Clock::System.now();
                let Ok(left @ 1..) = u64::try_from(left) else {
                    return why;
                };
                // In pieces, since the clock may be set, and a timer does not know.
                sleep(Duration::from_secs(left.min(60))).await;
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

impl std::fmt::Debug for TokenLease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenLease")
    }
}

/// Every stored token that holds something open.
#[derive(Debug, Default)]
pub(crate) struct TokenLeases(Mutex<HashMap<TokenHash, Weak<CancellationToken>>>);

impl TokenLeases {
    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, Weak<CancellationToken>>> {
        // The map is whole between any two statements, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lease(&self, hash: &TokenHash, why: Error) -> TokenLease {
        let mut leased = self.lock();
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

    /// The tokens that hold something open; the others are forgotten.
    pub(crate) fn leased(&self) -> Vec<TokenHash> {
        let mut leased = self.lock();
        leased.retain(|_, ended| ended.strong_count() > 0);
        leased.keys().cloned().collect()
    }

    /// Ends what this token holds open.
    pub(crate) fn end(&self, hash: &TokenHash) {
        if let Some(ended) = self.lock().remove(hash).and_then(|e| e.upgrade()) {
            ended.cancel();
        }
    }

    /// Ends what those of these tokens hold open that are not stored.
    pub(crate) fn end_all_but(&self, leased: &[TokenHash], stored: Vec<String>) {
        let stored: HashSet<TokenHash> = stored.into_iter().map(Into::into).collect();
        for hash in leased.iter().filter(|hash| !stored.contains(hash)) {
            self.end(hash);
        }
    }
}
