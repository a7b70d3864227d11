//! When an operation must be done.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::{
    domain::error::{Error, Result},
    store::db::read_account::{ReadAccount, WaitedFor},
};

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

    /// As `keep`, for work that reads on this account.
    ///
    /// # Errors
    /// `Busy` where it waited for other callers until then.
    pub(crate) async fn keep_reading<T>(
        self,
        account: &ReadAccount,
        work: impl Future<Output = T>,
    ) -> Result<T> {
        self.keep(work)
            .await
            .map_err(|late| match account.waited_for() {
                Some(WaitedFor::Others) => Error::Busy,
                Some(WaitedFor::Own) => self.waited_for_own(),
                None => late,
            })
    }

    /// When it is; `None` is never.
    pub(crate) fn at(self) -> Option<Instant> {
        self.at
    }

    /// Fails with `LimitExceeded` where the deadline has passed.
    pub(crate) fn check(self) -> Result<()> {
        match self.at {
            Some(at) if at <= Instant::now() => Err(self.error()),
            _ => Ok(()),
        }
    }

    fn error(self) -> Error {
        self.error_with("ask for less at once, or try again when the database is less busy")
    }

    /// The error of an operation that waited for others of its caller until then.
    pub(crate) fn waited_for_own(self) -> Error {
        self.error_with("your own other operations took until then; run fewer at once")
    }

    fn error_with(self, advice: &'static str) -> Error {
        Error::LimitExceeded {
            limit: "max-seconds",
            max: self.seconds,
            asked: None,
            advice,
        }
    }
}
