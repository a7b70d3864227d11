//! A database that is served: its connections, its owner and its dialect of SQL.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sea_orm::{DatabaseConnection, DbBackend};
use tokio::sync::Mutex;

use crate::{
    domain::{
        error::{Error, Result},
        read_only::ReadOnlyReason,
    },
    store::{
        cache::RowCache,
        db::{
            dialect::SqlDialect,
            inline_reader::InlineReaders,
            inline_writer::InlineWriter,
            lookup::Lookup,
            observer::Observer,
            read_account::{ReadAccount, ReaderQueue},
            watched_file::WatchedFile,
            writability::Writability,
            write_group::WriteQueue,
        },
        shared_lookup::SharedLookups,
    },
};

/// How long a caller may wait for its turn until the server is not ready.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The connections to a database. A clone shares them.
#[derive(Clone, Debug)]
pub(crate) struct Db {
    /// Others take it from `reader()`.
    pub(super) reader: DatabaseConnection,
    /// What short statements are read with instead, on SQLite.
    pub(super) inline: Option<Arc<InlineReaders>>,
    /// What rows are looked up with by their keys, on a database server.
    pub(crate) lookups: Option<Arc<SharedLookups>>,
    /// Whose turn it is at one of those connections; reads by nothing else then.
    pub(super) lookup: Option<Arc<Mutex<Lookup>>>,
    /// The turns of callers for it.
    pub(super) queue: ReaderQueue,
    /// Who reads; `None` for the server itself, which waits for no caller.
    pub(super) account: Option<Arc<ReadAccount>>,
    /// One connection on SQLite, so that writers queue here and not for the file's lock. In a
    /// Buildbot master's database it writes to the feed's own tables alone, and connects only when
    /// there is something to write.
    pub(crate) writer: DatabaseConnection,
    /// What writes to an SQLite file are done with, where they can be done at once.
    pub(super) inline_writer: Option<Arc<InlineWriter>>,
    /// The turns of those who write to an SQLite file.
    pub(super) write_queue: WriteQueue,
    /// Notices the writes of other processes, without waiting for readers.
    pub(crate) watcher: DatabaseConnection,
    /// Long snapshots, so that they never keep a reader waiting.
    pub(super) snapshots: DatabaseConnection,
    /// The turns of callers for them.
    pub(super) snapshot_queue: ReaderQueue,
    /// How long such a transaction may stay open.
    pub(crate) snapshot_time: Duration,
    pub(crate) is_ours: bool,
    /// The file, on SQLite.
    pub(crate) file: Option<Arc<WatchedFile>>,
    pub(crate) writability: Writability,
    /// See [`SqlDialect`]; a master may be upgraded while it is served.
    pub(crate) has_lock_durations: Arc<AtomicBool>,
    /// See [`SqlDialect`]; the feed may be attached anew while it is served.
    pub(crate) has_log_events: Arc<AtomicBool>,
    pub(crate) observer: Observer,
    /// Rows that have not changed since they were read.
    pub(crate) cache: Arc<RowCache>,
}

impl Db {
    /// The same database, read by the watcher: for reads that must not wait for other readers.
    #[must_use]
    pub(crate) fn watching(&self) -> Self {
        Self {
            reader: self.watcher.clone(),
            inline: None,
            lookups: None,
            ..self.clone()
        }
    }

    /// The same database, read by the connections for long snapshots.
    #[must_use]
    pub(crate) fn for_snapshots(&self) -> Self {
        Self {
            reader: self.snapshots.clone(),
            inline: None,
            lookups: None,
            queue: self.snapshot_queue.clone(),
            ..self.clone()
        }
    }

    /// The same database, read by a connection for look-ups.
    #[must_use]
    pub(crate) fn looking_up(&self, lookup: Lookup) -> Self {
        Self {
            lookup: Some(Arc::new(Mutex::new(lookup))),
            account: None,
            ..self.clone()
        }
    }

    /// Counts the memory of rows on the caller's account.
    ///
    /// # Errors
    /// The caller would hold too much.
    pub(crate) fn hold_rows(&self, bytes: usize) -> Result<()> {
        let account = self.account.as_ref();
        account.map_or(Ok(()), |account| account.hold_rows(bytes))
    }

    /// Charges the caller for the time of a statement.
    pub(crate) fn charge(&self, time: Duration) {
        if let Some(account) = &self.account {
            account.add(time);
        }
    }

    /// Fails if the file was deleted or replaced, as of the last look.
    pub(crate) fn last_seen(&self) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.last_seen())
    }

    /// Fails if the file has been deleted or replaced.
    pub(crate) fn look_at_file(&self) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.look())
    }

    /// Notes that what was written is not in the file: somebody has written over it.
    pub(crate) fn lose_file(&self) {
        if let Some(file) = &self.file {
            file.lose();
        }
    }

    /// Fails where builders, builds and steps are not to be written. A full disk does not count: it
    /// may have room for the next write.
    ///
    /// # Errors
    /// `FileGone` or `ReadOnly`.
    pub(crate) fn require_writable(&self) -> Result<()> {
        match self.writability() {
            Err(Error::DiskFull) => Ok(()),
            other => other,
        }
    }

    /// Whether builders, builds and steps can be written, as far as is known.
    ///
    /// # Errors
    /// `FileGone`, `ReadOnly` or `DiskFull`.
    pub(crate) fn writability(&self) -> Result<()> {
        self.last_seen()?;
        if self.is_buildbots() {
            return Err(Error::ReadOnly(ReadOnlyReason::Buildbots));
        }
        self.writability.check()
    }

    /// Whether the feed's own tables can be written, in a Buildbot master's database too.
    ///
    /// # Errors
    /// As for `writability`.
    pub(crate) fn feed_writability(&self) -> Result<()> {
        self.last_seen()?;
        self.writability.check()
    }

    /// Whether this is a Buildbot master's, with the tables that only Buildbot has.
    #[must_use]
    pub(crate) fn is_buildbots(&self) -> bool {
        !self.is_ours
    }

    /// Whether events get their positions only after their commit.
    #[must_use]
    pub(crate) fn needs_sequencing(&self) -> bool {
        self.backend() != DbBackend::Sqlite
    }

    /// Checks that the database answers, and that callers get to read.
    ///
    /// # Errors
    /// `Busy` where a caller who has asked for little gets no turn for long.
    pub(crate) async fn ping(&self) -> Result<()> {
        self.last_seen()?;
        self.reader.ping().await?;
        if self.queue.longest_wait() > MAX_WAIT {
            return Err(Error::Busy);
        }
        Ok(())
    }

    /// Closes every connection; on SQLite the write-ahead log is folded into the file.
    pub(crate) async fn close(&self) {
        if let Some(inline) = &self.inline {
            inline.close();
        }
        if let Some(inline) = &self.inline_writer {
            inline.close();
        }
        if let Some(lookups) = &self.lookups {
            lookups.close();
        }
        for connection in [&self.reader, &self.snapshots, &self.watcher, &self.writer] {
            if let Err(error) = connection.clone().close().await {
                tracing::warn!(%error, "a connection did not close cleanly");
            }
        }
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.reader.get_database_backend()
    }

    /// What a query for this database must know of it now.
    pub(crate) fn dialect(&self) -> SqlDialect {
        SqlDialect {
            backend: self.backend(),
            has_lock_durations: self.has_lock_durations.load(Ordering::Relaxed),
            has_log_events: self.has_log_events.load(Ordering::Relaxed),
        }
    }
}
