//! On whose account statements read, and the turns that callers take.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    domain::{caller_key::CallerKey, error::Result},
    memory::{MemoryBudget, MemoryShare},
    store::db::fair_queue::{FairQueue, Shares},
};

/// A caller whose statement runs longer is slow.
pub(crate) const SLOW_STATEMENT: Duration = Duration::from_secs(1);
/// A caller whose snapshot takes longer is slow.
pub(crate) const SLOW_SNAPSHOT: Duration = Duration::from_secs(5);

/// The turns of callers for the connections that read.
pub(crate) type ReaderQueue = FairQueue<CallerKey>;

/// The queue for so many connections. Half of them are the most that one caller uses at once, and
/// that all callers use together who keep one for longer than `slow`.
pub(crate) fn reader_queue(readers: u32, slow: Duration) -> ReaderQueue {
    let total = usize::try_from(readers).unwrap_or(usize::MAX);
    FairQueue::new(Shares {
        total,
        each: (total / 2).max(1),
        waiting: usize::MAX,
        slow_after: Some(slow),
    })
}

/// For whom one operation reads.
pub(crate) struct ReadAccount {
    /// Of the whole site, where the caller has an IPv6 address: all its networks take one turn.
    key: CallerKey,
    /// Called with the milliseconds that statements took.
    charge: Box<dyn Fn(u64) + Send + Sync>,
    /// The time that statements took.
    nanos: AtomicU64,
    /// When the operation must be done, as far as that is known.
    until: Mutex<Option<Instant>>,
    /// For whom it waited when it was given up.
    waited_for: Mutex<Option<WaitedFor>>,
    /// The memory of the rows that were read.
    rows: Mutex<MemoryShare>,
}

/// For whom a statement waited in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitedFor {
    /// The caller's own statements.
    Own,
    Others,
}

impl std::fmt::Debug for ReadAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadAccount")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl ReadAccount {
    pub(crate) fn new(
        key: &CallerKey,
        memory: &MemoryBudget,
        charge: impl Fn(u64) + Send + Sync + 'static,
    ) -> Self {
        Self {
            key: key.site().unwrap_or_else(|| key.clone()),
            charge: Box::new(charge),
            nanos: AtomicU64::new(0),
            until: Mutex::new(None),
            waited_for: Mutex::new(None),
            rows: Mutex::new(memory.hold(0)),
        }
    }

    /// Tells when the operation must be done.
    pub(crate) fn expect_by(&self, at: Option<Instant>) {
        *self.until.lock() = at;
    }

    /// Counts the memory of rows that were read.
    ///
    /// # Errors
    /// The caller, or all of them, would hold too much.
    pub(crate) fn hold_rows(&self, bytes: usize) -> Result<()> {
        self.rows.lock().grow(bytes)
    }

    /// Notes that no row is held any more.
    pub(crate) fn release_rows(&self) {
        self.rows.lock().resize(0);
    }

    /// Who takes turns.
    pub(crate) fn key(&self) -> &CallerKey {
        &self.key
    }

    /// Notes that a statement waited in vain. Whether that was until the operation's time was up.
    pub(crate) fn give_up(&self, waited_for: WaitedFor, now: Instant) -> bool {
        *self.waited_for.lock() = Some(waited_for);
        self.until.lock().is_some_and(|until| until <= now)
    }

    /// For whom the operation waited when it was given up; `None` where it did not wait.
    pub(crate) fn waited_for(&self) -> Option<WaitedFor> {
        *self.waited_for.lock()
    }

    /// Charges whole milliseconds; what is left over counts with the next statement.
    pub(crate) fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let before = self.nanos.fetch_add(nanos, Ordering::Relaxed);
        let millis = |nanos: u64| nanos / 1_000_000;
        let points = millis(before.saturating_add(nanos)) - millis(before);
        if points > 0 {
            (self.charge)(points);
        }
    }
}
