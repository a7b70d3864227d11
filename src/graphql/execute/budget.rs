//! What an operation may still take: how many rows it may read, and, where it is not cut off as a whole, until when.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    app::deadline::Deadline,
    domain::error::{Error, Result},
    graphql::lock::lock,
};

/// What is left to an operation, or to an event of a subscription.
pub(crate) struct Budget {
    max_rows: u64,
    rows_left: AtomicU64,
    /// None where the whole operation has a deadline.
    deadline: Mutex<Option<Deadline>>,
}

impl Budget {
    pub(crate) fn new(max_rows: u64, deadline: Option<Deadline>) -> Self {
        Self {
            max_rows,
            rows_left: max_rows.into(),
            deadline: Mutex::new(deadline),
        }
    }

    /// Everything is there again.
    pub(crate) fn renew(&self, deadline: Deadline) {
        self.rows_left.store(self.max_rows, Ordering::Relaxed);
        *lock(&self.deadline) = Some(deadline);
    }

    /// There is time left to begin something.
    pub(crate) fn check(&self) -> Result<()> {
        let deadline = *lock(&self.deadline);
        deadline.map_or(Ok(()), Deadline::check)
    }

    /// Reads, if that is done in time and is not too much.
    pub(crate) async fn read<T>(
        &self,
        work: impl Future<Output = Result<T>>,
        rows: impl FnOnce(&T) -> usize,
    ) -> Result<T> {
        // Kept once, and not once for each way to wait for it.
        let work = Box::pin(work);
        let deadline = *lock(&self.deadline);
        let read = match deadline {
            Some(deadline) => deadline.keep(work).await??,
            None => work.await?,
        };
        self.spend(rows(&read) as u64)?;
        Ok(read)
    }

    /// How many rows to read where a statement has no end of its own: one more than are left tells that it was too many.
    pub(crate) fn most_rows(&self) -> u64 {
        self.rows_left.load(Ordering::Relaxed).saturating_add(1)
    }

    fn spend(&self, rows: u64) -> Result<()> {
        let took = self
            .rows_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(rows)
            });
        took.map(|_| ()).map_err(|left| Error::LimitExceeded {
            limit: "max-rows",
            max: self.max_rows,
            asked: Some((self.max_rows - left).saturating_add(rows)),
            advice: "ask for smaller pages, or give the steps of each build a limit",
        })
    }
}
