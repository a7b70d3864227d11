//! Rows that have not changed since they were read, so that a read of them needs no statement.
//!
//! What a caller has been told, it never reads older than; what another program commits is seen
//! after the poll interval. For that, a row is served only while three things hold:
//!
//! 1. The feed's tail has looked at the database within the poll interval ([`confirm`]).
//! 2. It has forgotten the rows of every event up to `at`, and nobody has been told of a later one
//!    (`required`).
//! 3. The row was read less than `MAX_AGE` ago: deletions make no events.
//!
//! A row is kept only if nothing of it was forgotten since before it was read: a [`Ticket`] says
//! how many times anything had been forgotten by then.
//!
//! [`confirm`]: RowCache::confirm

mod entries;
pub(crate) mod key;
pub(crate) mod read;
#[cfg(test)]
mod tests;
pub(crate) mod written;

use std::{
    any::Any,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use tokio::sync::Notify;

use crate::{
    domain::id::Position,
    metrics::Metrics,
    store::cache::{
        entries::{CachedRow, Entries},
        key::CacheKey,
    },
};

/// The rows of a database that were read lately. Serves nothing until the feed's tail starts it.
pub(crate) struct RowCache {
    /// 0 turns it off.
    max_bytes: usize,
    state: Mutex<CacheState>,
    /// Whether anybody has asked since the tail last looked.
    is_wanted: AtomicBool,
    /// Wakes the tail, which sleeps while nobody needs it.
    pub(crate) wake: Arc<Notify>,
    counters: CacheCounters,
}

/// The cache's part of the metrics.
#[derive(Default)]
pub(crate) struct CacheCounters {
    hits: Counter,
    misses: Counter,
    forgotten: Counter,
    bytes: Gauge,
}

impl From<&Metrics> for CacheCounters {
    fn from(metrics: &Metrics) -> Self {
        Self {
            hits: metrics.cache_hits.clone(),
            misses: metrics.cache_misses.clone(),
            forgotten: metrics.cache_forgotten.clone(),
            bytes: metrics.cache_bytes.clone(),
        }
    }
}

struct CacheState {
    entries: Entries,
    /// The rows of every event up to here were forgotten; `None` while the tail does not follow.
    at: Option<Position>,
    /// The latest position that anybody has been told.
    required: Position,
    /// Until when rows are served without another look at the database.
    fresh_until: Instant,
}

impl CacheState {
    /// Whether rows may be served now.
    fn is_fresh(&self, now: Instant) -> bool {
        self.at.is_some_and(|at| at >= self.required) && now < self.fresh_until
    }
}

/// The moment before a read. What it reads may be kept if nothing of it was forgotten since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    forgotten: u64,
    begun: Instant,
}

impl fmt::Debug for RowCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowCache").finish_non_exhaustive()
    }
}

impl RowCache {
    /// An empty cache of at most so many bytes.
    pub(crate) fn new(max_bytes: usize, counters: CacheCounters) -> Self {
        Self {
            max_bytes,
            state: Mutex::new(CacheState {
                entries: Entries::new(max_bytes),
                at: None,
                required: Position::default(),
                fresh_until: Instant::now(),
            }),
            is_wanted: AtomicBool::new(false),
            wake: Arc::default(),
            counters,
        }
    }

    /// One that keeps nothing.
    pub(crate) fn off() -> Arc<Self> {
        Arc::new(Self::new(0, CacheCounters::default()))
    }

    /// The rows of these keys that may be served now, with their bytes, in the order of the keys.
    pub(crate) fn get<T: Any + Send + Sync>(
        &self,
        keys: impl ExactSizeIterator<Item = CacheKey>,
    ) -> Vec<Option<(Arc<T>, usize)>> {
        let count = keys.len();
        if self.max_bytes == 0 {
            return vec![None; count];
        }
        self.want();
        let now = Instant::now();
        let mut state = self.state.lock();
        if !state.is_fresh(now) {
            drop(state);
            self.counters.misses.inc_by(count as u64);
            return vec![None; count];
        }
        let rows = keys.map(|key| state.entries.get(&key, now));
        let rows: Vec<Option<(CachedRow, usize)>> = rows.collect();
        drop(state);
        // A key stands for rows of one type, so no cast fails.
        let rows = rows.into_iter().map(|row| {
            let (row, bytes) = row?;
            Some((row.downcast::<T>().ok()?, bytes))
        });
        let rows: Vec<Option<(Arc<T>, usize)>> = rows.collect();
        let hits = rows.iter().flatten().count();
        self.counters.hits.inc_by(hits as u64);
        self.counters.misses.inc_by((count - hits) as u64);
        rows
    }

    /// Notes that somebody asks, and wakes the tail at the first time.
    fn want(&self) {
        if !self.is_wanted.load(Ordering::Relaxed) && !self.is_wanted.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    /// To be taken before a read; `None` while nothing is kept.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        if self.max_bytes == 0 {
            return None;
        }
        let state = self.state.lock();
        state.at.map(|_| Ticket {
            forgotten: state.entries.forgotten(),
            begun: Instant::now(),
        })
    }

    /// Keeps rows that were read after the ticket was taken. Each falls with its key, and with any
    /// of the keys that it depends on.
    pub(crate) fn put<T: Any + Send + Sync>(
        &self,
        ticket: Ticket,
        rows: impl Iterator<Item = NewRow<T, impl FnOnce() -> Vec<CacheKey>>>,
    ) {
        let mut state = self.state.lock();
        if state.at.is_none() {
            return;
        }
        for row in rows {
            let entries = &mut state.entries;
            if !entries.admits(&row.key) {
                continue;
            }
            let depends_on = (row.depends_on)();
            if entries.is_untouched_since(ticket.forgotten, &row.key, &depends_on) {
                entries.insert(row.key, row.row, row.bytes, depends_on, ticket.begun);
            }
        }
        self.report(&state);
    }

    /// Forgets the rows of these keys, kept or just being read.
    pub(crate) fn forget(&self, keys: &[CacheKey]) {
        let mut state = self.state.lock();
        self.forget_all(&mut state, keys);
    }

    fn forget_all(&self, state: &mut CacheState, keys: &[CacheKey]) {
        for key in keys {
            let forgotten = state.entries.forget(key);
            self.counters.forgotten.inc_by(forgotten as u64);
        }
        self.report(state);
    }

    /// Forgets every row, kept or just being read.
    pub(crate) fn clear(&self) {
        let mut state = self.state.lock();
        self.clear_all(&mut state);
    }

    fn clear_all(&self, state: &mut CacheState) {
        let forgotten = state.entries.clear();
        self.counters.forgotten.inc_by(forgotten as u64);
        self.report(state);
    }

    fn report(&self, state: &CacheState) {
        let bytes = i64::try_from(state.entries.bytes());
        self.counters.bytes.set(bytes.unwrap_or(i64::MAX));
    }

    /// Notes that a caller is about to be told of everything up to a position: until the tail has
    /// come so far, nothing is served.
    pub(crate) fn require(&self, told: Position) {
        let mut state = self.state.lock();
        state.required = state.required.max(told);
        let is_behind = state.at.is_some_and(|at| at < told);
        drop(state);
        if is_behind {
            self.wake.notify_one();
        }
    }

    /// The same for an event whose rows were forgotten already.
    pub(crate) fn require_forgotten(&self, told: Position) {
        let mut state = self.state.lock();
        if state.at.is_some_and(|at| at.0 + 1 == told.0) {
            state.at = Some(told);
        }
        drop(state);
        self.require(told);
    }

    /// Whether the tail should follow for the cache's sake.
    pub(crate) fn is_wanted(&self) -> bool {
        self.max_bytes > 0 && (self.is_wanted.load(Ordering::Acquire) || self.is_on())
    }

    /// Whether anybody has asked since this was last called.
    pub(crate) fn take_wanted(&self) -> bool {
        self.is_wanted.swap(false, Ordering::AcqRel)
    }

    /// Whether rows are kept.
    pub(crate) fn is_on(&self) -> bool {
        self.state.lock().at.is_some()
    }

    /// To be called before the newest position is read for [`start`](Self::start): positions that
    /// were told by now are not later, unless the database was put back since.
    pub(crate) fn prepare(&self) {
        self.state.lock().required = Position::default();
    }

    /// Begins to keep rows. The tail applies every event behind `at`; `newest` was read since
    /// `prepare`.
    pub(crate) fn start(&self, at: Position, newest: Position) {
        let mut state = self.state.lock();
        self.clear_all(&mut state);
        state.required = state.required.max(newest);
        state.fresh_until = Instant::now();
        state.at = Some(at);
    }

    /// Keeps and serves nothing from here on.
    pub(crate) fn stop(&self) {
        let mut state = self.state.lock();
        state.at = None;
        self.clear_all(&mut state);
    }

    /// Forgets the rows of the events up to a position; all rows where `keys` is `None`.
    pub(crate) fn apply(&self, keys: Option<&[CacheKey]>, up_to: Position) {
        let mut state = self.state.lock();
        let Some(at) = state.at else { return };
        match keys {
            Some(keys) => self.forget_all(&mut state, keys),
            None => self.clear_all(&mut state),
        }
        state.at = Some(at.max(up_to));
    }

    /// Notes that the rows of everything that was committed at some moment were forgotten.
    pub(crate) fn confirm(&self, moment: Instant, good_for: Duration) {
        let mut state = self.state.lock();
        state.fresh_until = state.fresh_until.max(moment + good_for);
    }
}

/// A row to be kept.
pub(crate) struct NewRow<T, D> {
    pub(crate) key: CacheKey,
    pub(crate) row: Arc<T>,
    /// What it takes in memory.
    pub(crate) bytes: usize,
    /// Gives the keys that it depends on.
    pub(crate) depends_on: D,
}
