//! What an operation may still use: how many rows it may read, how many bytes of text it may answer
//! and, unless a deadline cuts it off as a whole, until when.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;

use crate::{
    app::deadline::Deadline,
    config::limit::LimitConfig,
    domain::error::{Error, Result},
    memory::{MemoryBudget, MemoryShare, answer_bytes::max_answer_bytes},
    store::db::read_account::ReadAccount,
};

/// A text of so many bytes counts as a value, of which an operation may have as many as
/// `--max-values` says.
pub(crate) const SHORT_TEXT: usize = 64;

/// The rows, texts and time left to an operation, or to one event of a subscription.
pub(crate) struct Budget {
    max_rows: u64,
    rows_left: AtomicU64,
    max_text_bytes: u64,
    texts: Mutex<AnsweredTexts>,
    /// `None` if a deadline cuts off the whole operation.
    deadline: Mutex<Option<Deadline>>,
    /// On which the operation reads.
    account: Arc<ReadAccount>,
}

/// What was answered and may be long.
struct AnsweredTexts {
    /// The long texts.
    memory: MemoryShare,
    /// What was written as JSON.
    written: MemoryShare,
    /// Whether one was refused, and with it all others.
    are_refused: bool,
}

impl AnsweredTexts {
    fn may_write(&self, bytes: usize, text_bytes: usize, max_text_bytes: u64) -> bool {
        let texts = (self.memory.bytes() + text_bytes) as u64;
        let written = self.written.bytes() + bytes;
        !self.are_refused && texts <= max_text_bytes && written <= max_answer_bytes(max_text_bytes)
    }
}

impl Budget {
    pub(crate) fn new(
        limits: &LimitConfig,
        memory: &MemoryBudget,
        deadline: Option<Deadline>,
        account: Arc<ReadAccount>,
    ) -> Self {
        Self {
            max_rows: limits.max_rows,
            rows_left: limits.max_rows.into(),
            max_text_bytes: limits.max_text_bytes,
            texts: Mutex::new(AnsweredTexts {
                memory: memory.hold(0),
                written: memory.hold(0),
                are_refused: false,
            }),
            deadline: Mutex::new(deadline),
            account,
        }
    }

    /// Restores the full budget, with a new deadline.
    pub(crate) fn renew(&self, deadline: Deadline) {
        self.rows_left.store(self.max_rows, Ordering::Relaxed);
        *self.deadline.lock() = Some(deadline);
        self.account.expect_by(deadline.at());
    }

    /// Gives back the memory: the answer is made.
    pub(crate) fn release(&self) {
        let mut texts = self.texts.lock();
        texts.memory.resize(0);
        texts.written.resize(0);
        texts.are_refused = false;
        drop(texts);
        self.account.release_rows();
    }

    /// Takes the memory of a text in the answer.
    ///
    /// # Errors
    /// `LimitExceeded` where the texts are too long together, or why there is no memory; `None`
    /// where another text was refused before.
    pub(crate) fn hold_text(&self, text: &str) -> Result<(), Option<Error>> {
        if text.len() <= SHORT_TEXT {
            return Ok(());
        }
        let mut texts = self.texts.lock();
        if texts.are_refused {
            return Err(None);
        }
        let grown = if (texts.memory.bytes() + text.len()) as u64 > self.max_text_bytes {
            Err(Error::TooLarge {
                limit: "max-text-bytes",
                max: self.max_text_bytes,
                advice: "ask for smaller pages, and for each long text once",
            })
        } else {
            texts.memory.grow(text.len())
        };
        texts.are_refused = grown.is_err();
        grown.map_err(Some)
    }

    /// Whether the answer may have this much more JSON, with long texts of so many bytes in it.
    pub(crate) fn may_write(&self, bytes: usize, text_bytes: usize) -> bool {
        self.texts
            .lock()
            .may_write(bytes, text_bytes, self.max_text_bytes)
    }

    /// Takes the memory of JSON that was written, and of the long texts in it. False where there is
    /// too little of it, or the answer would be too long: then nothing is taken.
    pub(crate) fn hold_written(&self, bytes: usize, text_bytes: usize) -> bool {
        let mut texts = self.texts.lock();
        if !texts.may_write(bytes, text_bytes, self.max_text_bytes)
            || texts.memory.grow(text_bytes).is_err()
        {
            return false;
        }
        let is_held = texts.written.grow(bytes).is_ok();
        if !is_held {
            let before = texts.memory.bytes() - text_bytes;
            texts.memory.resize(before);
        }
        is_held
    }

    /// Fails once the deadline has passed.
    pub(crate) fn check(&self) -> Result<()> {
        let deadline = *self.deadline.lock();
        deadline.map_or(Ok(()), Deadline::check)
    }

    /// Reads until the deadline, and deducts the rows that `count_rows` counts. Fails if the
    /// deadline passes or too few rows are left.
    pub(crate) async fn read<T>(
        &self,
        work: impl Future<Output = Result<T>>,
        count_rows: impl FnOnce(&T) -> usize,
    ) -> Result<T> {
        // Boxed, so that this future does not hold it once for each branch below.
        let work = Box::pin(work);
        // Copied out, so that no lock is held while waiting.
        let deadline = *self.deadline.lock();
        let read = match deadline {
            Some(deadline) => deadline.keep_reading(&self.account, work).await??,
            None => work.await?,
        };
        self.spend(count_rows(&read) as u64)?;
        Ok(read)
    }

    /// How many rows a statement without a limit of its own may read: one more than are left, so
    /// that an excess shows.
    pub(crate) fn max_rows_to_read(&self) -> u64 {
        self.rows_left.load(Ordering::Relaxed).saturating_add(1)
    }

    fn spend(&self, rows: u64) -> Result<()> {
        let spent = self
            .rows_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(rows)
            });
        spent.map(|_| ()).map_err(|left| Error::LimitExceeded {
            limit: "max-rows",
            max: self.max_rows,
            asked: Some((self.max_rows - left).saturating_add(rows)),
            advice: "ask for smaller pages, or give the steps of each build a limit",
        })
    }
}
