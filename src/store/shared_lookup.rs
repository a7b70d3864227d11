//! Look-ups that several requests make at the same moment share one statement.
//!
//! On a database server most of a short read is the way there and back. While every connection for
//! look-ups is busy, the keys that requests ask for gather, and the next statement asks for all. A
//! batch is closed before its statement begins, so that nobody is told what was read before asking.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    domain::error::Result,
    store::{
        db::lookup::{Lookup, LookupConnections},
        open_batch::OpenBatch,
    },
};

/// How many keys of one request are looked up with those of others: more are worth a statement.
const MAX_OWN_KEYS: usize = 8;
/// How many keys a batch has before another is opened.
const MAX_KEYS: usize = 32;

/// The batches of every noun.
#[derive(Debug)]
pub(crate) struct SharedLookups {
    connections: Arc<LookupConnections>,
    /// An `OpenBatch` for each type of key and row.
    batches: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

/// A batch of look-ups; `None` where each request is to read alone.
type Lookups<K, T> = OpenBatch<K, Option<FoundTogether<K, T>>>;

/// What was found for all keys of a batch.
struct FoundTogether<K, T> {
    rows: HashMap<K, Arc<T>>,
    /// What the statement took, for each key.
    time: Duration,
}

impl SharedLookups {
    pub(crate) fn new(connections: LookupConnections) -> Self {
        Self {
            connections: Arc::new(connections),
            batches: Mutex::default(),
        }
    }

    /// The rows of these keys, read together with those of other requests, and their share of the
    /// time that it took; `None` where they are to be read alone. `read` gets keys more than once.
    pub(crate) async fn find<K, T, F>(
        &self,
        keys: &[K],
        read: impl FnOnce(Lookup, Vec<K>) -> F,
    ) -> Option<(HashMap<K, Arc<T>>, Duration)>
    where
        K: Eq + Hash + Clone + Send + Sync + 'static,
        T: Send + Sync + 'static,
        F: Future<Output = Result<HashMap<K, T>>>,
    {
        if keys.len() > MAX_OWN_KEYS {
            return None;
        }
        let batches = self.batches_of::<K, T>()?;
        let batch = batches.join(keys, MAX_KEYS);
        let found = batch.fetched.get_or_init(|| async {
            let turn = self.connections.turn().await;
            batch.gather().await;
            let mut keys = batches.close(&batch);
            let begun = Instant::now();
            let count = keys.len();
            // Repeated, so that there are few texts of statements to prepare.
            let last = keys.last()?.clone();
            keys.resize(count.next_power_of_two(), last);
            let rows = read(turn?, keys).await.ok()?.into_iter();
            Some(FoundTogether {
                rows: rows.map(|(key, row)| (key, Arc::new(row))).collect(),
                time: begun.elapsed() / u32::try_from(count).unwrap_or(u32::MAX),
            })
        });
        let found = found.await.as_ref()?;
        let rows = keys.iter().filter_map(|key| {
            let row = found.rows.get(key)?;
            Some((key.clone(), row.clone()))
        });
        let share = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        Some((rows.collect(), found.time * share))
    }

    fn batches_of<K, T>(&self) -> Option<Arc<Lookups<K, T>>>
    where
        K: Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        let mut batches = self.batches.lock();
        let batches = batches
            .entry(TypeId::of::<(K, T)>())
            .or_insert_with(|| Arc::new(Lookups::<K, T>::default()));
        batches.clone().downcast().ok()
    }

    /// Gives the connections back, that their pool can be closed.
    pub(crate) fn close(&self) {
        self.connections.close();
    }
}
