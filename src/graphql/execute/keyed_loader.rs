//! Loads the rows that one level of a query needs with one statement.
//!
//! The resolvers of a level run in one task, so no timer is needed:
//! 1. `load` adds its key to the open batch, or opens one.
//! 2. The first caller of a batch yields until a turn of the task has added no request.
//! 3. It closes the batch, fetches all its keys with one call, and every caller takes its value.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use crate::{domain::error::Result, store::open_batch::OpenBatch};

/// Loads values by keys of one kind.
pub(crate) struct KeyedLoader<K, V>(OpenBatch<K, Result<HashMap<K, V>>>);

impl<K, V> Default for KeyedLoader<K, V> {
    fn default() -> Self {
        Self(OpenBatch::default())
    }
}

impl<K: Eq + Hash + Clone, V: Clone> KeyedLoader<K, V> {
    /// Returns the value of a key, fetched together with all keys requested in the meantime.
    pub(crate) async fn load<F>(&self, key: K, fetch: impl FnOnce(Vec<K>) -> F) -> Result<Option<V>>
    where
        F: Future<Output = Result<HashMap<K, V>>>,
    {
        let batch = self.0.join(std::slice::from_ref(&key), usize::MAX);
        let values = batch.fetched.get_or_init(|| async {
            batch.gather().await;
            let keys: HashSet<K> = self.0.close(&batch).into_iter().collect();
            fetch(keys.into_iter().collect()).await
        });
        match values.await {
            Ok(values) => Ok(values.get(&key).cloned()),
            Err(error) => Err(error.clone()),
        }
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
