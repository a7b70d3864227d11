//! Keys that are asked for until somebody fetches them, and then what was fetched.
//!
//! The first caller of a batch fetches. If it is dropped meanwhile, the next one in line takes
//! over.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::{sync::OnceCell, task::yield_now};

/// The batch that further keys are added to.
pub(crate) struct OpenBatch<K, V>(Mutex<Option<Arc<PendingBatch<K, V>>>>);

/// Keys that are fetched together, and later what was fetched.
pub(crate) struct PendingBatch<K, V> {
    /// Each key as often as it was asked for.
    asked: Mutex<Vec<K>>,
    pub(crate) fetched: OnceCell<V>,
}

impl<K, V> Default for OpenBatch<K, V> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<K: Clone, V> OpenBatch<K, V> {
    /// Adds keys to the open batch, or to a new one where it has `max` already.
    pub(crate) fn join(&self, keys: &[K], max: usize) -> Arc<PendingBatch<K, V>> {
        let mut open = self.0.lock();
        let batch = match open.take() {
            Some(batch) if batch.asked() < max => batch,
            _ => Arc::new(PendingBatch {
                asked: Mutex::new(Vec::with_capacity(keys.len())),
                fetched: OnceCell::new(),
            }),
        };
        batch.asked.lock().extend_from_slice(keys);
        open.insert(batch).clone()
    }

    /// Closes a batch to further keys, and returns its keys. To be called before they are fetched:
    /// a key that joined later would never be.
    pub(crate) fn close(&self, batch: &Arc<PendingBatch<K, V>>) -> Vec<K> {
        let mut open = self.0.lock();
        // Another may be open where this was full, or closed by somebody who was dropped.
        if open.as_ref().is_some_and(|open| Arc::ptr_eq(open, batch)) {
            *open = None;
        }
        drop(open);
        // A copy: if this fetch is dropped, the next in line needs them too.
        batch.asked.lock().clone()
    }
}

impl<K, V> PendingBatch<K, V> {
    /// How many keys were asked for, repeated ones too.
    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().len()
    }

    /// Yields until a turn of the task has added no key: whoever is about to ask joins too, and
    /// where nobody is, it takes no time.
    pub(crate) async fn gather(&self) {
        let mut known = 0;
        loop {
            let asked = self.asked();
            if asked <= known {
                return;
            }
            known = asked;
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_join_until_their_batch_is_full_or_closed() {
        let batches = OpenBatch::<u8, ()>::default();
        let first = batches.join(&[1, 2], 3);
        assert!(Arc::ptr_eq(&first, &batches.join(&[2], 3)));
        // It has three.
        let second = batches.join(&[4], 3);
        assert!(!Arc::ptr_eq(&first, &second));
        assert_eq!(batches.close(&first), [1, 2, 2]);
        // The first was not open any more, so the second still is.
        assert!(Arc::ptr_eq(&second, &batches.join(&[5], 3)));
        assert_eq!(batches.close(&second), [4, 5]);
        assert!(!Arc::ptr_eq(&second, &batches.join(&[6], 3)));
        // Whoever takes over fetches the same.
        assert_eq!(batches.close(&second), [4, 5]);
        assert_eq!(batches.join(&[7], 3).asked(), 2);
    }
}
