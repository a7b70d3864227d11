//! What is remembered of stored tokens for a second, so that callers who are out of points cannot
//! make the server look one up for each request.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    auth::{
        caller::{Caller, Validity},
        token::TokenHash,
    },
    clock::once_per_second::OncePerSecond,
    domain::error::Result,
    store::{db::database::Db, token},
};

/// How long a caller is remembered.
const TIME: Duration = Duration::from_secs(1);
/// How many are.
const MOST: usize = 1_000;

#[derive(Debug, Default)]
pub(crate) struct RememberedTokens {
    stored: OncePerSecond<Result<Arc<HashSet<String>>>>,
    /// Callers that were refused for want of points, each until a moment.
    without_points: Mutex<HashMap<TokenHash, (Caller, Instant)>>,
}

impl RememberedTokens {
    /// Whether the database had a token with this hash within the last second.
    ///
    /// # Errors
    /// The database does not say.
    pub(crate) async fn has(&self, db: &Db, hash: &TokenHash) -> Result<bool> {
        let read = async {
            let hashes = token::hashes(db).await?;
            Ok(Arc::new(hashes.into_iter().collect()))
        };
        let stored = self.stored.get_or_read(read).await?;
        Ok(stored.contains(hash.as_str()))
    }

    /// Remembers a caller that was refused for want of points, if it has a stored token.
    pub(crate) fn remember(&self, caller: &Caller) {
        let Validity::Stored { hash, .. } = &caller.validity else {
            return;
        };
        let mut callers = self.without_points.lock();
        if callers.len() >= MOST {
            let now = Instant::now();
            callers.retain(|_, (_, until)| *until > now);
        }
        // One that is there keeps its end, or its token would never be looked up again.
        if callers.len() < MOST {
            let until = Instant::now() + TIME;
            let (_, end) = callers
                .entry(hash.clone())
                .or_insert_with(|| (caller.clone(), until));
            if end.elapsed() > Duration::ZERO {
                *end = until;
            }
        }
    }

    /// The caller with this token, if it was refused for want of points within the last second.
    pub(crate) fn recall(&self, hash: &TokenHash) -> Option<Caller> {
        let mut callers = self.without_points.lock();
        let (caller, until) = callers.get(hash)?;
        if *until > Instant::now() {
            return Some(caller.clone());
        }
        callers.remove(hash);
        None
    }
}
