//! Turns of a caller's requests and operations at being polled.
//!
//! Tokio polls what is ready in the order in which it became so. Without turns, a caller that sends
//! twenty thousand requests at once would have every thread, and be served before everybody who
//! comes a moment later.
//!
//! Events and answers on their way out take no turns: a thousand sockets of one address would wait
//! for each other at each event.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::sync::PollSemaphore;

use crate::domain::{caller_key::CallerKey, per_caller::PerCaller};

/// The turns of all callers.
#[derive(Debug)]
pub(crate) struct PollTurns {
    at_once: usize,
    callers: PerCaller<Semaphore>,
}

/// The turns of one caller; `None` takes none. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallerTurns(Option<Arc<Semaphore>>);

impl PollTurns {
    /// Half as many at once as the runtime has threads, which are two for each processor: one
    /// caller can use every processor, and another still finds a thread.
    pub(super) fn new() -> Self {
        Self {
            at_once: Handle::current().metrics().num_workers().div_ceil(2),
            callers: PerCaller::default(),
        }
    }

    /// The turns of a caller.
    pub(super) fn of(&self, key: &CallerKey) -> CallerTurns {
        let turns = self.callers.get(key, || Semaphore::new(self.at_once));
        CallerTurns(Some(turns))
    }
}

impl CallerTurns {
    /// Polls a future only in the caller's turns. Whoever polls it must do so whenever it is woken,
    /// since it may have been given the turn.
    pub(crate) fn take<F>(&self, inner: F) -> InTurn<F> {
        InTurn {
            turns: self.0.clone().map(PollSemaphore::new),
            inner,
        }
    }
}

pin_project! {
    /// A future that is polled only in its caller's turn, which ends with each poll.
    pub(crate) struct InTurn<F> {
        turns: Option<PollSemaphore>,
        #[pin]
        inner: F,
    }
}

impl<F: Future> Future for InTurn<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _turn = match this.turns {
            Some(turns) => ready!(turns.poll_acquire(cx)),
            None => None,
        };
        this.inner.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
        time::Duration,
    };

    use tokio::task::{JoinSet, yield_now};

    use super::*;

    fn of(turns: &PollTurns, address: &str) -> CallerTurns {
        turns.of(&CallerKey::of_address(address.parse().expect("an address")))
    }

    const TASKS: usize = 400;
    const POLLS: usize = 10;

    /// Counts the polls of one caller before each of another's, which has as many threads left.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn another_caller_does_not_wait_for_all_that_one_has_ready() {
        let turns = PollTurns::new();
        let polls = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let polls = polls.clone();
            tasks.spawn(of(&turns, "192.0.2.1").take(async move {
                for _ in 0..POLLS {
                    polls.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_micros(200));
                    yield_now().await;
                }
            }));
        }
        let before = polls.clone();
        let honest = of(&turns, "192.0.2.2").take(async move {
            let mut most = 0;
            for _ in 0..20 {
                let now = before.load(Ordering::Relaxed);
                yield_now().await;
                most = most.max(before.load(Ordering::Relaxed) - now);
            }
            most
        });
        let most = tokio::spawn(honest).await.expect("it ends");
        assert!(most < TASKS / 4, "{most} polls of another came first");
        tasks.join_all().await;
        assert_eq!(polls.load(Ordering::Relaxed), TASKS * POLLS);
    }
}
