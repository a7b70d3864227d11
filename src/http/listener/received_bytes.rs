//! How many bytes a connection has received, for what is built of them out of sight: a socket's
//! library does not tell how much of a message it holds.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// A connection's count, shared with the socket that it becomes.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReceivedBytes(Arc<AtomicU64>);

impl ReceivedBytes {
    pub(crate) fn add(&self, bytes: usize) {
        // Relaxed, because the connection's single task both counts and reads it.
        self.0.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
