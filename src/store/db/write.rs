//! Writing: `Db::write` runs work in a transaction, and again on a conflict.

use std::time::Instant;

use sea_orm::{DatabaseTransaction, DbBackend, TransactionTrait};
use tokio::time::timeout;
use tracing::Instrument;

use crate::{
    domain::error::{Error, Result},
    store::db::{
        database::Db,
        transaction::{Txn, Work, write_options},
        write_group::{Group, GroupEnding, WriteTurn},
    },
};

/// How often a write that met a conflict is tried.
const TRIES: usize = 10;

impl Db {
    /// Runs `work` in a transaction: all of it happens, or nothing. On a conflict with another
    /// writer (a name or number taken meanwhile, a deadlock) it runs again. On SQLite, writes that
    /// wait at the same time share a transaction and its commit (`write_group`).
    ///
    /// # Errors
    /// Those of `work`, `begin` and `commit`; `Conflict` where others were in the way again and
    /// again.
    pub(crate) async fn write<T: Send>(&self, work: &impl Work<T>) -> Result<T> {
        let mut tries = TRIES;
        loop {
            let done = match self.backend() {
                DbBackend::Sqlite => self.write_together(work).await,
                // A server has several writers, and shares the syncs of their commits itself.
                _ => self.write_once(work).await,
            };
            tries -= 1;
            self.writability.learn(&done);
            match done {
                Err(Error::Conflict) if tries > 0 => {}
                done => return done,
            }
        }
    }

    /// Begins a transaction on a connection of the pool.
    ///
    /// # Errors
    /// `FileGone`, `ReadOnly`, or `Unavailable` where SQLite's write lock is not to be had in time.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction> {
        self.look_at_file()?;
        self.require_writable()?;
        Ok(self.writer.begin_with_options(write_options()).await?)
    }

    /// Begins a transaction on this thread if that can be done at once, or else as `begin` does.
    ///
    /// # Errors
    /// Those of `begin`.
    async fn begin_inline(&self) -> Result<Txn> {
        self.look_at_file()?;
        self.require_writable()?;
        if let Some(writer) = &self.inline_writer
            && let Some(txn) = writer.begin(&self.observer)?
        {
            return Ok(Txn::Inline(Box::new(txn)));
        }
        // Boxed, so that what is written inline does not hold it.
        Ok(Txn::Pooled(Box::pin(self.begin()).await?))
    }

    /// Runs work in a transaction of its own.
    async fn write_once<T: Send>(&self, work: &impl Work<T>) -> Result<T> {
        let txn = Txn::Pooled(self.begin().await?);
        match work.run(&txn).await {
            Ok(done) => self.commit(txn, 1).await.map(|()| done),
            Err(error) => {
                txn.roll_back().await;
                Err(error)
            }
        }
    }

    /// Commits a transaction of this many writes.
    async fn commit(&self, txn: Txn, writes: usize) -> Result<()> {
        txn.commit().await?;
        if self.backend() == DbBackend::Sqlite {
            self.observer.observe_commit(writes);
        }
        // What was committed meanwhile may have gone into a file that is not there.
        self.look_at_file().map_err(|_| Error::OutcomeUnknown)
    }

    /// Runs work in a transaction that others may share, and alone where that one is not committed
    /// or SQLite refuses a statement: then each hears of its own fate, and no writer fails for
    /// another.
    async fn write_together<T: Send>(&self, work: &impl Work<T>) -> Result<T> {
        if let Some(done) = self.write_in_group(work).await? {
            return done;
        }
        let turn = self.write_turn().await?;
        let _turn = self.end_group(turn).await;
        self.write_once(work).await
    }

    /// Runs work in the group's transaction, or in one that begins a group, and waits for the
    /// commit. `None` where the transaction was rolled back for another's sake, or the pool is to
    /// do the work.
    async fn write_in_group<T: Send>(&self, work: &impl Work<T>) -> Result<Option<Result<T>>> {
        let mut turn = self.write_turn().await?;
        let done = if let Some(group) = turn.group() {
            if let Err(error) = self.require_writable() {
                turn.pass();
                return Err(error);
            }
            if group.enter().await.is_err() {
                return Ok(None);
            }
            let done = work.run(&group.txn).await;
            let is_left_to_pool = group.txn.take_failure();
            if (done.is_err() || is_left_to_pool) && group.undo().await.is_err() {
                return Ok(None);
            }
            if is_left_to_pool {
                turn.pass();
                return Ok(None);
            }
            done
        } else {
            let txn = self.begin_inline().await?;
            let begun = Instant::now();
            match work.run(&txn).await {
                _ if txn.take_failure() => return Ok(None),
                Ok(done) => {
                    turn.open(Group::new(txn, begun));
                    Ok(done)
                }
                // Nobody has joined yet.
                Err(error) => {
                    txn.roll_back().await;
                    return Err(error);
                }
            }
        };
        match (self.wait_for_end(turn).await, done) {
            // What failed was judged by what others had written, which is not there.
            (GroupEnding::RolledBack, _) | (GroupEnding::Ended(Err(_)), Err(_)) => Ok(None),
            (GroupEnding::Ended(ended), done) => Ok(Some(ended.and(done))),
        }
    }

    /// Waits for the end of the group in which a writer has just run.
    async fn wait_for_end(&self, mut turn: WriteTurn) -> GroupEnding {
        let Some(mut ending) = turn.add_member() else {
            return GroupEnding::RolledBack;
        };
        if !turn.is_full() {
            turn.pass();
            // Whoever waits already runs first; the first of the group that is still here commits.
            turn = tokio::select! {
                biased;
                ending = ending.get() => return ending,
                turn = self.write_queue.turn() => turn,
            };
        }
        self.end_group(turn).await;
        ending.get().await
    }

    /// Commits the group that is open, if any.
    async fn end_group(&self, mut turn: WriteTurn) -> Option<WriteTurn> {
        let Some(group) = turn.take() else {
            return Some(turn);
        };
        let (db, is_shared) = (self.clone(), group.len() > 1);
        let end = async move {
            let (txn, members) = group.into_parts();
            let ended = db.commit(txn, members.len()).await;
            members.tell(&ended);
            turn
        };
        if !is_shared {
            return Some(end.await);
        }
        // A task of its own: whoever commits may be cut off, which must leave no other in doubt.
        tokio::spawn(end.in_current_span()).await.ok()
    }

    /// Waits for the turn to write, as long as for the file's lock.
    async fn write_turn(&self) -> Result<WriteTurn> {
        let pool = self.writer.get_sqlite_connection_pool();
        let patience = pool.options().get_acquire_timeout();
        let turn = timeout(patience, self.write_queue.turn()).await;
        turn.map_err(|_| Error::Unavailable)
    }
}

#[cfg(test)]
mod tests;
