//! How many operations each caller runs at once.

use crate::{
    domain::{
        caller_key::{CallerKey, SITE_SHARES},
        error::{Error, Result},
    },
    store::db::fair_queue::{FairQueue, Permit, Shares},
};

/// How many operations wait for each that may run.
const WAITING: usize = 4;
/// When a client whose operation found no room is to try again, in seconds.
const RETRY_SECONDS: u64 = 1;

/// The operations of all callers.
#[derive(Debug)]
pub(crate) struct Operations {
    max: usize,
    callers: FairQueue<CallerKey>,
    sites: FairQueue<CallerKey>,
}

/// What an operation holds while it runs.
#[derive(Debug)]
pub(crate) struct OperationPermit {
    _of_caller: Permit<CallerKey>,
    _of_site: Option<Permit<CallerKey>>,
}

impl Operations {
    /// Each caller may run `max` at once, and an IPv6 site some times as many; 0 is without a
    /// limit.
    pub(crate) fn new(max: usize) -> Self {
        let each = if max == 0 { usize::MAX } else { max };
        let queue = |each: usize| {
            FairQueue::new(Shares {
                total: usize::MAX,
                each,
                waiting: each.saturating_mul(WAITING),
                slow_after: None,
            })
        };
        Self {
            max,
            callers: queue(each),
            sites: queue(each.saturating_mul(SITE_SHARES)),
        }
    }

    /// Waits until the caller runs few enough.
    ///
    /// # Errors
    /// `TooManyAtOnce` where too many wait.
    pub(crate) async fn acquire(&self, key: CallerKey) -> Result<OperationPermit> {
        let full = |_| Error::TooManyAtOnce {
            limit: "max-concurrent-per-caller",
            max: self.max as u64,
            what: "operations run for you and four times as many wait",
            seconds: RETRY_SECONDS,
        };
        let site = key.site();
        let of_caller = self.callers.acquire(key).await.map_err(full)?;
        let of_site = match site {
            Some(site) => Some(self.sites.acquire(site).await.map_err(full)?),
            None => None,
        };
        Ok(OperationPermit {
            _of_caller: of_caller,
            _of_site: of_site,
        })
    }
}
