//! A queue bounded in bytes, between one who must not wait and one who does, with a last word on why it ended.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::mpsc;

/// What an item takes beside its own bytes.
const OVERHEAD: usize = 64;

/// The end that never waits.
#[derive(Debug)]
pub(crate) struct Sender<T, E> {
    items: mpsc::UnboundedSender<Result<(T, usize), E>>,
    held: Arc<AtomicUsize>,
    max: usize,
}

/// The end that waits.
#[derive(Debug)]
pub(crate) struct Receiver<T, E> {
    items: mpsc::UnboundedReceiver<Result<(T, usize), E>>,
    held: Arc<AtomicUsize>,
}

/// A queue that holds so many bytes, or one item that is larger.
pub(crate) fn queue<T, E>(max: usize) -> (Sender<T, E>, Receiver<T, E>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let held = Arc::new(AtomicUsize::new(0));
    let sender = Sender {
        items: sender,
        held: held.clone(),
        max,
    };
    let items = receiver;
    (sender, Receiver { items, held })
}

impl<T, E> Sender<T, E> {
    /// Adds an item of so many bytes; says whether it went in. Once one did not, the queue is to be ended.
    pub(crate) fn push(&self, item: T, bytes: usize) -> bool {
        let bytes = bytes + OVERHEAD;
        let held = self.held.fetch_add(bytes, Relaxed);
        (held == 0 || held + bytes <= self.max) && self.items.send(Ok((item, bytes))).is_ok()
    }

    /// Ends the queue: this is heard behind all that it holds.
    pub(crate) fn end(self, why: E) {
        // Nobody may be there any more to hear it.
        let _ = self.items.send(Err(why));
    }
}

impl<T, E> Receiver<T, E> {
    /// The next item, or the last word; for ever nothing where the other end went without one.
    pub(crate) async fn next(&mut self) -> Result<T, E> {
        match self.items.recv().await {
            Some(Ok((item, bytes))) => {
                self.held.fetch_sub(bytes, Relaxed);
                Ok(item)
            }
            Some(Err(why)) => Err(why),
            None => std::future::pending().await,
        }
    }
}
