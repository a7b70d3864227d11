//! A queue that is bounded in bytes. Its sender never waits; its receiver learns why it ended.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::mpsc;

use crate::memory::{MemoryBudget, MemoryShare};

/// How many bytes an item takes beside its own.
const OVERHEAD: usize = 64;

/// An item, its bytes, and the memory that it takes in the queue.
type Entry<T> = (T, usize, MemoryShare);

/// The end that never waits.
#[derive(Debug)]
pub(crate) struct Sender<T, E> {
    items: mpsc::UnboundedSender<Result<Entry<T>, E>>,
    used: Arc<AtomicUsize>,
    max: usize,
    memory: MemoryBudget,
}

/// The end that waits.
#[derive(Debug)]
pub(crate) struct Receiver<T, E> {
    items: mpsc::UnboundedReceiver<Result<Entry<T>, E>>,
    used: Arc<AtomicUsize>,
}

/// A queue for at most `max` bytes, or one item that is larger. Once the server's memory is
/// exhausted it takes one item at a time, so that those who read go on.
pub(crate) fn queue<T, E>(max: usize, memory: &MemoryBudget) -> (Sender<T, E>, Receiver<T, E>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let used = Arc::new(AtomicUsize::new(0));
    let sender = Sender {
        items: sender,
        used: used.clone(),
        max,
        memory: memory.clone(),
    };
    let items = receiver;
    (sender, Receiver { items, used })
}

impl<T, E> Sender<T, E> {
    /// Adds an item of so many bytes. Returns `false` if it does not fit or the receiver is gone:
    /// the caller must then end the queue.
    pub(crate) fn push(&self, item: T, bytes: usize) -> bool {
        let bytes = bytes + OVERHEAD;
        // Relaxed, as the channel orders the items and this is only a bound. Not taken back on
        // failure, as the queue then ends.
        let used = self.used.fetch_add(bytes, Relaxed);
        let fits = used + bytes <= self.max && !self.memory.is_exhausted();
        // The item itself is shared by many queues, and counted where it is made.
        let memory = self.memory.hold(OVERHEAD);
        (used == 0 || fits) && self.items.send(Ok((item, bytes, memory))).is_ok()
    }

    /// Ends the queue. The receiver gets this reason after every item that is in it.
    pub(crate) fn end(self, why: E) {
        // The receiver may be gone.
        let _ = self.items.send(Err(why));
    }
}

impl<T, E> Receiver<T, E> {
    /// The next item, or why the queue was ended. Pending for ever if the sender was dropped.
    pub(crate) async fn next(&mut self) -> Result<T, E> {
        match self.items.recv().await {
            Some(Ok((item, bytes, _memory))) => {
                self.used.fetch_sub(bytes, Relaxed);
                Ok(item)
            }
            Some(Err(why)) => Err(why),
            None => std::future::pending().await,
        }
    }
}
