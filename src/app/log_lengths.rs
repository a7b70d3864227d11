//! How long finished logs are as files: known only once a log was unpacked to its end.

use std::sync::Arc;

use hashlink::LruCache;
use parking_lot::Mutex;

use crate::{domain::id::LogId, store::log::Model};

/// How many are remembered.
const MAX_KNOWN: usize = 1_000;

/// A log, its number of lines and its type: what it has in it then is always the same.
type LengthKey = (LogId, i32, &'static str);

/// The lengths in bytes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct LogLengths(Arc<Mutex<LruCache<LengthKey, u64>>>);

impl Default for LogLengths {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(MAX_KNOWN))))
    }
}

fn key(log: &Model) -> LengthKey {
    (log.id, log.num_lines, log.log_type().letter())
}

impl LogLengths {
    /// How long a log is, if that is known.
    pub(crate) fn get(&self, log: &Model) -> Option<u64> {
        self.0.lock().get(&key(log)).copied()
    }

    /// Remembers how long a finished log is.
    pub(crate) fn insert(&self, log: &Model, bytes: u64) {
        self.0.lock().insert(key(log), bytes);
    }
}
