//! Turns, of which each caller has a limited number at once; its others wait in order.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of each caller. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct CallerTurns<K> {
    max: usize,
    /// A caller that neither has a turn nor waits for one has no entry.
    queues: Arc<Mutex<HashMap<K, Queue>>>,
}

#[derive(Debug)]
struct Queue {
    free: Arc<Semaphore>,
    /// How many have a turn or wait for one.
    length: usize,
}

/// A caller's turn, given back when dropped.
#[derive(Debug)]
pub(crate) struct CallerTurn<K: Eq + Hash> {
    /// Dropped before the place: the next one may begin.
    _permit: Option<OwnedSemaphorePermit>,
    _place: Place<K>,
}

/// A place in a caller's queue, left when dropped.
#[derive(Debug)]
struct Place<K: Eq + Hash> {
    turns: CallerTurns<K>,
    key: K,
}

impl<K: Clone + Eq + Hash> CallerTurns<K> {
    /// Each caller has `max` at once; 0 is without a limit.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            // `Semaphore::new` panics above that.
            max: match max {
                0 => Semaphore::MAX_PERMITS,
                max => max.min(Semaphore::MAX_PERMITS),
            },
            queues: Arc::default(),
        }
    }

    /// Waits for the caller's turn.
    pub(crate) async fn wait(&self, key: K) -> CallerTurn<K> {
        let (place, free) = self.enter(key);
        CallerTurn {
            // Fails only for a closed semaphore, and nobody closes this one.
            _permit: free.acquire_owned().await.ok(),
            _place: place,
        }
    }

    fn enter(&self, key: K) -> (Place<K>, Arc<Semaphore>) {
        let mut queues = self.queues.lock();
        let queue = queues.entry(key.clone()).or_insert_with(|| Queue {
            free: Arc::new(Semaphore::new(self.max)),
            length: 0,
        });
        queue.length += 1;
        let place = Place {
            turns: self.clone(),
            key,
        };
        (place, queue.free.clone())
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut queues = self.turns.queues.lock();
        if let Some(queue) = queues.get_mut(&self.key) {
            queue.length -= 1;
            if queue.length == 0 {
                queues.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_callers_turns_come_in_order_and_delay_nobody_else() {
        let turns = CallerTurns::new(2);
        let first = turns.wait("a").await;
        let _second = turns.wait("a").await;
        let mut third = Box::pin(turns.wait("a"));
        let mut fourth = Box::pin(turns.wait("a"));
        assert!((&mut third).now_or_never().is_none());
        assert!((&mut fourth).now_or_never().is_none());
        let other = turns.wait("b").now_or_never();
        assert!(other.is_some(), "another caller");
        drop(first);
        assert!((&mut fourth).now_or_never().is_none(), "not before it");
        let third = third.now_or_never().expect("its turn");
        // One that no longer waits takes no turn.
        drop((fourth, third, other));
        let again = turns.wait("a").now_or_never();
        assert!(again.is_some());
    }

    #[tokio::test]
    async fn who_has_none_is_forgotten_and_zero_is_without_a_limit() {
        let turns = CallerTurns::new(0);
        let many: Vec<_> = (0..100)
            .map_while(|_| turns.wait(1).now_or_never())
            .collect();
        assert_eq!(many.len(), 100);
        drop(many);
        assert!(turns.queues.lock().is_empty());
    }
}
