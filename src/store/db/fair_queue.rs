//! A queue for something that few may use at once. Callers take turns: a caller's tenth request
//! waits behind another's first.
//!
//! One caller holds no more than its share, so that others need not wait for it. Where what is
//! granted is short, turns would do; but a statement cannot be taken back. So callers that lately
//! kept what they got for long have one share together, and a caller that holds something already
//! does not get the last that is free.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::oneshot, time::Instant};

/// A caller stays known as slow for so many times the time that it kept a permit.
const SLOW_TIMES: u32 = 10;
/// The longest that it does.
const MAX_SLOW: Duration = Duration::from_mins(1);
/// How many slow callers are known, so that many addresses cannot fill the memory.
const MAX_SLOW_CALLERS: usize = 10_000;

/// How what is queued for is shared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    /// How many permits there are.
    pub(crate) total: usize,
    /// How many one caller holds at most.
    pub(crate) each: usize,
    /// How many requests of one caller wait at most.
    pub(crate) waiting: usize,
    /// Who keeps a permit for longer is slow; `None` where that does not matter.
    pub(crate) slow_after: Option<Duration>,
}

/// Too many requests of a caller wait.
#[derive(Debug)]
pub(crate) struct QueueFull;

/// The queue. A clone is the same queue.
#[derive(Debug)]
pub(crate) struct FairQueue<K: Eq + Hash + Clone>(Arc<Mutex<QueueState<K>>>);

/// A place in the queue, and then a permit. Dropped, it is given back, whichever it is.
#[derive(Debug)]
pub(crate) struct Permit<K: Eq + Hash + Clone> {
    queue: FairQueue<K>,
    key: K,
    id: u64,
}

#[derive(Debug)]
struct QueueState<K> {
    shares: Shares,
    next_id: u64,
    /// Who holds each permit, and since when.
    held: HashMap<u64, (K, Instant)>,
    /// Those who hold or wait.
    callers: HashMap<K, CallerState>,
    /// Those who wait, whose turn is next first.
    turns: VecDeque<K>,
    /// Until when callers are known as slow.
    slow_until: HashMap<K, Instant>,
}

#[derive(Debug, Default)]
struct CallerState {
    held: usize,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    since: Instant,
    granted: oneshot::Sender<()>,
}

impl<K: Eq + Hash + Clone> Clone for FairQueue<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Eq + Hash + Clone> FairQueue<K> {
    pub(crate) fn new(shares: Shares) -> Self {
        Self(Arc::new(Mutex::new(QueueState {
            shares,
            next_id: 0,
            held: HashMap::new(),
            callers: HashMap::new(),
            turns: VecDeque::new(),
            slow_until: HashMap::new(),
        })))
    }

    /// Waits for the caller's turn.
    ///
    /// # Errors
    /// At once, where too many requests of the caller wait.
    pub(crate) async fn acquire(&self, key: K) -> Result<Permit<K>, QueueFull> {
        let (permit, granted) = self.enter(key)?;
        // Fails only with the queue, which the permit keeps.
        let _ = granted.await;
        Ok(permit)
    }

    /// Takes a place in the queue.
    fn enter(&self, key: K) -> Result<(Permit<K>, oneshot::Receiver<()>), QueueFull> {
        let (granted, receiver) = oneshot::channel();
        let id = self.0.lock().enter(key.clone(), granted)?;
        let permit = Permit {
            queue: self.clone(),
            key,
            id,
        };
        Ok((permit, receiver))
    }

    /// How many permits a caller holds.
    pub(crate) fn held_by(&self, key: &K) -> usize {
        let state = self.0.lock();
        state.callers.get(key).map_or(0, |caller| caller.held)
    }

    /// The longest that a caller waits now who holds nothing and is not slow; the others may have
    /// to wait for each other.
    pub(crate) fn longest_wait(&self) -> Duration {
        let (state, now) = (self.0.lock(), Instant::now());
        let callers = state.turns.iter().filter_map(|key| {
            let caller = state.callers.get(key)?;
            let is_patient = caller.held > 0 || state.is_slow(key, now);
            caller.waiting.front().filter(|_| !is_patient)
        });
        let waits = callers.map(|waiter| now.saturating_duration_since(waiter.since));
        waits.max().unwrap_or_default()
    }
}

impl<K: Eq + Hash + Clone> Drop for Permit<K> {
    fn drop(&mut self) {
        self.queue.0.lock().leave(&self.key, self.id);
    }
}

impl<K: Eq + Hash + Clone> QueueState<K> {
    fn enter(&mut self, key: K, granted: oneshot::Sender<()>) -> Result<u64, QueueFull> {
        let (id, since) = (self.next_id, Instant::now());
        let caller = self.callers.entry(key.clone()).or_default();
        // Those who could be served at once do not count: they hold nothing up.
        if caller.waiting.len() >= self.shares.waiting && caller.held >= self.shares.each {
            return Err(QueueFull);
        }
        self.next_id += 1;
        if caller.waiting.is_empty() {
            self.turns.push_back(key);
        }
        caller.waiting.push_back(Waiter { id, since, granted });
        self.grant();
        Ok(id)
    }

    /// Gives back a permit, or a place in the queue.
    fn leave(&mut self, key: &K, id: u64) {
        let now = Instant::now();
        let Some(caller) = self.callers.get_mut(key) else {
            return;
        };
        if let Some((_, since)) = self.held.remove(&id) {
            caller.held -= 1;
            self.note_slow(key, now.saturating_duration_since(since), now);
        } else {
            caller.waiting.retain(|waiter| waiter.id != id);
            if caller.waiting.is_empty() {
                self.turns.retain(|waiting| waiting != key);
            }
        }
        let is_gone = |caller: &CallerState| caller.held == 0 && caller.waiting.is_empty();
        if self.callers.get(key).is_some_and(is_gone) {
            self.callers.remove(key);
        }
        self.grant();
    }

    /// Grants what is free, in the order of turns.
    fn grant(&mut self) {
        let now = Instant::now();
        while self.held.len() < self.shares.total {
            // Whoever may not have more now keeps its turn.
            let Some(next) = self.turns.iter().position(|key| self.may_have(key, now)) else {
                return;
            };
            let Some(key) = self.turns.remove(next) else {
                return;
            };
            let Some(caller) = self.callers.get_mut(&key) else {
                continue;
            };
            let Some(waiter) = caller.waiting.pop_front() else {
                continue;
            };
            caller.held += 1;
            if !caller.waiting.is_empty() {
                self.turns.push_back(key.clone());
            }
            self.held.insert(waiter.id, (key, now));
            // One that has left gives it back when its permit is dropped.
            let _ = waiter.granted.send(());
        }
    }

    /// Whether a caller may have one more. Where it may not, somebody holds a permit, and this is
    /// asked again when it is given back.
    fn may_have(&self, key: &K, now: Instant) -> bool {
        let Shares { total, each, .. } = self.shares;
        let held = self.callers.get(key).map_or(0, |caller| caller.held);
        if held >= each || (held > 0 && total - self.held.len() == 1) {
            return false;
        }
        if !self.is_slow(key, now) {
            return true;
        }
        let holders = self.held.values().filter(|(key, _)| self.is_slow(key, now));
        holders.count() < each
    }

    fn is_slow(&self, key: &K, now: Instant) -> bool {
        let Some(limit) = self.shares.slow_after else {
            return false;
        };
        let is_long = |since: Instant| now.saturating_duration_since(since) > limit;
        let holds_long = |(holder, since): &(K, Instant)| holder == key && is_long(*since);
        self.slow_until.get(key).is_some_and(|until| *until > now)
            || self.held.values().any(holds_long)
    }

    /// Remembers a caller that kept a permit for long.
    fn note_slow(&mut self, key: &K, time: Duration, now: Instant) {
        if self.shares.slow_after.is_none_or(|limit| time <= limit) {
            return;
        }
        if self.slow_until.len() >= MAX_SLOW_CALLERS {
            self.slow_until.retain(|_, until| *until > now);
        }
        let until = now + (time * SLOW_TIMES).min(MAX_SLOW);
        if self.slow_until.len() < MAX_SLOW_CALLERS || self.slow_until.contains_key(key) {
            let known = self.slow_until.entry(key.clone()).or_insert(until);
            *known = until.max(*known);
        }
    }
}

#[cfg(test)]
mod tests;
