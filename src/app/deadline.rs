//! When an operation must be done.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::domain::error::{Error, Result};

/// The moment by which an operation must be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    /// The configured seconds, for the error.
    seconds: u64,
    /// `None` means never.
    at: Option<Instant>,
}

impl Deadline {
    /// The deadline of an operation that begins now and may take `time`.
    pub(crate) fn new(seconds: u64, time: Option<Duration>) -> Self {
        // An instant too late to represent is never reached.
        let at = time.and_then(|time| Instant::now().checked_add(time));
        Self { seconds, at }
    }

    /// Runs some work until the deadline.
    ///
    /// # Errors
    /// `LimitExceeded` where it is not done by then; the work is cancelled.
    pub(crate) async fn keep<T>(self, work: impl Future<Output = T>) -> Result<T> {
        match self.at {
            None => Ok(work.await),
            Some(at) => match timeout_at(at, work).await {
                // Work that never yields cannot be interrupted, so it may finish late.
                Ok(done) => self.check().map(|()| done),
                Err(_) => Err(self.error()),
            },
        }
    }

    /// Fails with `LimitExceeded` where the deadline has passed.
    pub(crate) fn check(self) -> Result<()> {
        match self.at {
            Some(at) if at <= Instant::now() => Err(self.error()),
            _ => Ok(()),
        }
    }

    fn error(self) -> Error {
        Error::LimitExceeded {
            limit: "max-seconds",
            max: self.seconds,
            asked: None,
            advice: "ask for less at once, or try again when the database is less busy",
        }
    }
}
