//! The threads that unpack and search logs: as many at once as there are processors, for all
//! callers, so that the runtime's own threads are left to others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::domain::error::{Error, Result};

/// Permits for threads. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct LogWorkers {
    permits: Arc<Semaphore>,
    count: usize,
}

/// Tells work that nobody waits for it any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    /// Whether the work is to end.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Abandons the work when it is dropped.
struct AbandonWork(Abandoned);

impl Drop for AbandonWork {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

impl LogWorkers {
    pub(crate) fn new() -> Self {
        let count = thread::available_parallelism().map_or(1, usize::from);
        Self {
            permits: Arc::new(Semaphore::new(count)),
            count,
        }
    }

    /// How many run at once.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How many run now.
    pub(crate) fn busy(&self) -> usize {
        self.count.saturating_sub(self.permits.available_permits())
    }

    /// Runs some work in a thread, once there is one for it. The permit is kept until the work
    /// ends, even if nobody waits for that.
    ///
    /// # Errors
    /// The work panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Abandoned) -> T + Send + 'static,
    ) -> Result<T> {
        // It is never closed.
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(Error::internal)?;
        let guard = AbandonWork(Abandoned::default());
        let abandoned = guard.0.clone();
        let done = spawn_blocking(move || {
            let done = work(&abandoned);
            drop(permit);
            done
        })
        .await;
        drop(guard);
        done.map_err(Error::internal)
    }
}
