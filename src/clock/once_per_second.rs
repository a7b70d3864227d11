//! A value that costs a statement, for any number of readers.

use std::time::Duration;

use tokio::{sync::Mutex, time::Instant};

/// How long a value is taken for the present one.
const FRESH: Duration = Duration::from_secs(1);

/// A value that is read at most once a second. Whoever asks meanwhile gets the last one, or waits
/// for the one that is being read.
#[derive(Debug)]
pub(crate) struct OncePerSecond<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for OncePerSecond<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> OncePerSecond<T> {
    pub(crate) async fn get_or_read(&self, read: impl Future<Output = T>) -> T {
        let mut last = self.0.lock().await;
        if let Some((at, value)) = &*last
            && at.elapsed() < FRESH
        {
            return value.clone();
        }
        let value = read.await;
        *last = Some((Instant::now(), value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::{join, task::yield_now};

    use super::*;

    #[tokio::test]
    async fn those_who_ask_at_once_share_one_reading() {
        let (value, reads) = (OncePerSecond::default(), AtomicUsize::new(0));
        let get = || {
            value.get_or_read(async {
                yield_now().await;
                reads.fetch_add(1, Ordering::Relaxed)
            })
        };
        assert_eq!(join!(get(), get(), get()), (0, 0, 0));
    }
}
