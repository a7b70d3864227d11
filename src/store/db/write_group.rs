//! Group commit: writes that wait for an SQLite file at the same time share a transaction and the
//! sync of its commit.
//!
//! Writers take turns. The first begins the transaction, does its work and queues for another turn,
//! in which it commits. Whoever waited before then has done its work in the same transaction, each
//! in a savepoint, so that one that fails fails alone. Nobody waits for writers that have not come.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use crate::{
    domain::error::{Error, Result},
    store::db::transaction::Txn,
};

/// How many writes share a commit at most.
const MAX_WRITES: usize = 64;
/// After how long no other write joins: other processes wait for the file's lock.
const MAX_AGE: Duration = Duration::from_millis(20);

/// The turns of the writers of a file, first come, first served. A clone is the same queue.
#[derive(Clone, Debug)]
pub(crate) struct WriteQueue {
    open: Arc<Mutex<Option<Group>>>,
    pub(super) max_age: Duration,
}

/// A writer's turn. If it is dropped and not passed on, as where a writer is cut off or panics, the
/// group is rolled back.
#[derive(Debug)]
pub(super) struct WriteTurn {
    group: OwnedMutexGuard<Option<Group>>,
    max_age: Duration,
    is_passed: bool,
}

/// A transaction that is open, and those who have written in it.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) txn: Txn,
    begun: Instant,
    savepoint: Savepoint,
    members: GroupMembers,
}

/// What the group's savepoint has after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Savepoint {
    /// There is none yet: its first writer needs none.
    None,
    /// A member's writes, which have succeeded.
    Written,
    /// Nothing.
    Empty,
}

/// Those who wait for a group's end. Dropped before the commit has begun, they hear that it was
/// rolled back; after that, nobody knows.
#[derive(Debug, Default)]
pub(super) struct GroupMembers {
    waiting: Vec<oneshot::Sender<GroupEnding>>,
    is_committing: bool,
}

/// How a group ended.
#[derive(Clone, Debug)]
pub(super) enum GroupEnding {
    /// As its commit did.
    Ended(Result<()>),
    /// Before its commit: nothing is written.
    RolledBack,
}

/// Where a member hears how its group ended.
#[derive(Debug)]
pub(super) struct GroupEnd(oneshot::Receiver<GroupEnding>);

impl Default for WriteQueue {
    fn default() -> Self {
        Self {
            open: Arc::default(),
            max_age: MAX_AGE,
        }
    }
}

impl WriteQueue {
    /// Waits for a turn.
    pub(super) async fn turn(&self) -> WriteTurn {
        WriteTurn {
            group: self.open.clone().lock_owned().await,
            max_age: self.max_age,
            is_passed: false,
        }
    }
}

impl WriteTurn {
    /// The group that is open, if any.
    pub(super) fn group(&mut self) -> Option<&mut Group> {
        self.group.as_mut()
    }

    pub(super) fn open(&mut self, group: Group) {
        *self.group = Some(group);
    }

    pub(super) fn take(&mut self) -> Option<Group> {
        self.group.take()
    }

    /// Makes whoever has just written a member of the group.
    pub(super) fn add_member(&mut self) -> Option<GroupEnd> {
        let group = self.group.as_mut()?;
        let (tell, ending) = oneshot::channel();
        group.members.waiting.push(tell);
        Some(GroupEnd(ending))
    }

    /// Whether the group takes no other writer.
    pub(super) fn is_full(&self) -> bool {
        self.group.as_ref().is_some_and(|group| {
            group.members.len() >= MAX_WRITES || group.begun.elapsed() >= self.max_age
        })
    }

    /// Lets the next writer have its turn.
    pub(super) fn pass(mut self) {
        self.is_passed = true;
    }
}

impl Drop for WriteTurn {
    fn drop(&mut self) {
        if !self.is_passed {
            *self.group = None;
        }
    }
}

impl Group {
    /// The group of a writer that has begun this transaction then and done its work.
    pub(super) fn new(txn: Txn, begun: Instant) -> Self {
        Self {
            txn,
            begun,
            savepoint: Savepoint::None,
            members: GroupMembers::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// The transaction, to be committed, and those who wait for that.
    pub(super) fn into_parts(mut self) -> (Txn, GroupMembers) {
        self.members.is_committing = true;
        (self.txn, self.members)
    }

    /// Keeps what was written so far apart from what the next member writes.
    ///
    /// Fails where there is no transaction any more: SQLite has ended it by itself.
    pub(super) async fn enter(&mut self) -> Result<()> {
        if self.savepoint == Savepoint::Written {
            self.txn.control("RELEASE member").await?;
        }
        if self.savepoint != Savepoint::Empty {
            self.txn.control("SAVEPOINT member").await?;
        }
        self.savepoint = Savepoint::Written;
        Ok(())
    }

    /// Undoes what a member has written. Fails as `enter` does.
    pub(super) async fn undo(&mut self) -> Result<()> {
        self.txn.control("ROLLBACK TO member").await?;
        self.savepoint = Savepoint::Empty;
        Ok(())
    }
}

impl GroupMembers {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Tells everybody how the commit ended.
    pub(super) fn tell(mut self, ended: &Result<()>) {
        for member in self.waiting.drain(..) {
            // Who has left does not hear it.
            let _ = member.send(GroupEnding::Ended(ended.clone()));
        }
    }
}

impl Drop for GroupMembers {
    fn drop(&mut self) {
        for member in self.waiting.drain(..) {
            if !self.is_committing {
                let _ = member.send(GroupEnding::RolledBack);
            }
        }
    }
}

impl GroupEnd {
    pub(super) async fn get(&mut self) -> GroupEnding {
        let ending = (&mut self.0).await;
        ending.unwrap_or(GroupEnding::Ended(Err(Error::OutcomeUnknown)))
    }
}
