//! Loads the rows that one level of a query needs with one statement.
//!
//! The resolvers of a level run in one task, so no timer is needed:
//! 1. `load` adds its key to the open batch, or opens one.
//! 2. The first caller of a batch yields until a turn of the task has added no request.
//! 3. It closes the batch, fetches all its keys with one call, and every caller takes its value.
//!
//! If the caller that fetches is dropped, the next one in line takes over.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{sync::OnceCell, task::yield_now};

use crate::domain::error::Result;

/// Loads values by keys of one kind.
pub(crate) struct KeyedLoader<K, V> {
    /// The batch that further keys are added to.
    open: Mutex<Option<Arc<PendingBatch<K, V>>>>,
}

/// Keys that are fetched together, and later their values.
struct PendingBatch<K, V> {
    pending: Mutex<PendingKeys<K>>,
    values: OnceCell<Result<HashMap<K, V>>>,
}

struct PendingKeys<K> {
    keys: HashSet<K>,
    /// Counts every request: `keys` does not grow with a repeated key.
    requests: usize,
}

impl<K, V> Default for KeyedLoader<K, V> {
    fn default() -> Self {
        Self {
            open: Mutex::new(None),
        }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> KeyedLoader<K, V> {
    /// Returns the value of a key, fetched together with all keys requested in the meantime.
    pub(crate) async fn load<F>(&self, key: K, fetch: impl FnOnce(Vec<K>) -> F) -> Result<Option<V>>
    where
        F: Future<Output = Result<HashMap<K, V>>>,
    {
        let batch = self.join(key.clone());
        let values = batch.values.get_or_init(|| async {
            batch.gather().await;
            // Before the keys are read: a key that joined later would never be fetched.
            self.close(&batch);
            fetch(batch.keys()).await
        });
        match values.await {
            Ok(values) => Ok(values.get(&key).cloned()),
            Err(error) => Err(error.clone()),
        }
    }

    /// Adds a key to the open batch.
    fn join(&self, key: K) -> Arc<PendingBatch<K, V>> {
        let mut open = self.open.lock();
        let batch = open.get_or_insert_with(Arc::default);
        let mut pending = batch.pending.lock();
        pending.keys.insert(key);
        pending.requests += 1;
        drop(pending);
        batch.clone()
    }

    /// Closes the batch to further keys.
    fn close(&self, batch: &Arc<PendingBatch<K, V>>) {
        let mut open = self.open.lock();
        // After a takeover this batch is closed already, and a newer one may be open.
        if open.as_ref().is_some_and(|open| Arc::ptr_eq(open, batch)) {
            *open = None;
        }
    }
}

impl<K, V> Default for PendingBatch<K, V> {
    fn default() -> Self {
        Self {
            pending: Mutex::new(PendingKeys {
                keys: HashSet::new(),
                requests: 0,
            }),
            values: OnceCell::new(),
        }
    }
}

impl<K: Clone, V> PendingBatch<K, V> {
    /// Yields until a turn of the task has added no request.
    async fn gather(&self) {
        let mut known = 0;
        loop {
            let requests = self.pending.lock().requests;
            if requests <= known {
                return;
            }
            known = requests;
            yield_now().await;
        }
    }

    /// A copy of the keys: if this fetch is dropped, the next in line needs them too.
    fn keys(&self) -> Vec<K> {
        self.pending.lock().keys.iter().cloned().collect()
    }
}

/// Fetches values by parent and arguments, with one call for each set of arguments: two aliases of
/// a field with different arguments need two statements.
pub(crate) async fn fetch_by_arguments<P, A, V, F>(
    keys: Vec<(P, A)>,
    fetch: impl Fn(A, Vec<P>) -> F,
) -> Result<HashMap<(P, A), V>>
where
    P: Eq + Hash,
    A: Eq + Hash + Clone,
    F: Future<Output = Result<HashMap<P, V>>>,
{
    let mut parents_by_arguments: HashMap<A, Vec<P>> = HashMap::new();
    for (parent, arguments) in keys {
        let parents = parents_by_arguments.entry(arguments).or_default();
        parents.push(parent);
    }
    let mut found = HashMap::new();
    for (arguments, parents) in parents_by_arguments {
        let values = fetch(arguments.clone(), parents).await?;
        let keyed = values
            .into_iter()
            .map(|(parent, value)| ((parent, arguments.clone()), value));
        found.extend(keyed);
    }
    Ok(found)
}
