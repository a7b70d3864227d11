//! Writes to an SQLite file on the thread that asks: a statement on a page in the system's cache
//! takes less time than another thread takes to wake up. Only the commit, which waits for the disk,
//! has a thread of its own.
//!
//! Where SQLite refuses anything, as where another process holds the file's lock, nothing of the
//! write counts and the pool's connection does it from its start: it may wait, and its errors are
//! those that callers are told. But a connection that finds the file broken is believed: another
//! one may have read less of it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use sea_orm::Statement;
use tokio::task::spawn_blocking;

use crate::{
    domain::error::{Error, Result},
    store::{
        db::{
            bounded_rows::statement_span,
            error_kind::DbErrorKind,
            inline_reader::{compile, set_up},
            observer::Observer,
            pool::sqlite::LOG_LIMIT,
        },
        row::{FromRow, Row},
    },
};

/// A connection that writes inline.
#[derive(Debug)]
pub(crate) struct InlineWriter(Mutex<Availability>);

/// Whether the connection is to be had.
#[derive(Debug)]
enum Availability {
    Idle(Connection),
    /// In a transaction, or lost.
    Taken,
    Closed,
}

/// A transaction. Dropped, it never happened.
#[derive(Debug)]
pub(crate) struct InlineTxn {
    /// `None` once it has ended.
    connection: Mutex<Option<Connection>>,
    writer: Arc<InlineWriter>,
    observer: Observer,
    has_failed: AtomicBool,
}

impl InlineWriter {
    /// Opens the connection at once, as one that is opened later might find another file. Its
    /// settings are those of `Purpose::Write`.
    ///
    /// # Errors
    /// What SQLite said.
    pub(crate) fn open(file: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
        let connection = Connection::open_with_flags(file, flags)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update_and_check(
            None,
            "journal_size_limit",
            LOG_LIMIT.cast_signed(),
            |_| Ok(()),
        )?;
        set_up(&connection)?;
        Ok(Self(Mutex::new(Availability::Idle(connection))))
    }

    /// Begins a transaction that holds the file's lock; `None` where the pool is to do it.
    ///
    /// # Errors
    /// `FileGone`.
    pub(crate) fn begin(self: &Arc<Self>, observer: &Observer) -> Result<Option<InlineTxn>> {
        let Some(connection) = self.take() else {
            return Ok(None);
        };
        let txn = InlineTxn {
            connection: Mutex::new(Some(connection)),
            writer: self.clone(),
            observer: observer.clone(),
            has_failed: AtomicBool::default(),
        };
        match txn.control("BEGIN IMMEDIATE") {
            Ok(()) => Ok(Some(txn)),
            Err(gone @ Error::FileGone) => Err(gone),
            Err(_) => Ok(None),
        }
    }

    /// Closes the connection; in a transaction, after that.
    pub(crate) fn close(&self) {
        *self.0.lock() = Availability::Closed;
    }

    fn take(&self) -> Option<Connection> {
        let mut writer = self.0.lock();
        match std::mem::replace(&mut *writer, Availability::Taken) {
            Availability::Idle(connection) => Some(connection),
            other => {
                *writer = other;
                None
            }
        }
    }

    /// Takes the connection back, unless it is stuck in a transaction.
    fn put_back(&self, connection: Connection) {
        if !connection.is_autocommit()
            && let Err(error) = control(&connection, "ROLLBACK")
        {
            tracing::warn!(%error, "writes take longer: a connection does not roll back");
            return;
        }
        let mut writer = self.0.lock();
        if matches!(*writer, Availability::Taken) {
            *writer = Availability::Idle(connection);
        }
    }
}

impl InlineTxn {
    /// Runs a statement. How many rows it changed.
    ///
    /// # Errors
    /// `FileGone`; any other says that the pool is to do the whole write.
    pub(super) fn execute(&self, statement: &Statement) -> Result<u64> {
        self.run(statement, |connection| {
            compile(connection, statement)?.raw_execute()
        })
        .map(|rows| rows as u64)
    }

    /// Every row of a query.
    ///
    /// # Errors
    /// As of `execute`; also where a row has an odd value.
    pub(super) fn rows<R: FromRow>(&self, statement: &Statement) -> Result<Vec<R>> {
        self.run(statement, |connection| {
            let mut compiled = compile(connection, statement)?;
            let (mut rows, mut found) = (Vec::new(), compiled.raw_query());
            while let Some(row) = found.next()? {
                // An odd value, which is the pool's to judge.
                let odd = |_| rusqlite::Error::InvalidQuery;
                rows.push(R::from_row(Row::Inline(row)).map_err(odd)?);
            }
            Ok(rows)
        })
    }

    /// The id of the row that was inserted last.
    pub(super) fn last_id(&self) -> i64 {
        let connection = self.connection.lock();
        connection.as_ref().map_or(0, Connection::last_insert_rowid)
    }

    /// Runs a statement that has neither values nor rows.
    pub(super) fn control(&self, sql: &str) -> Result<()> {
        self.with_connection(|connection| control(connection, sql))
    }

    /// Whether a statement has failed since the last time.
    pub(super) fn take_failure(&self) -> bool {
        self.has_failed.swap(false, Ordering::Relaxed)
    }

    /// Commits, on a thread that may wait for the disk.
    ///
    /// # Errors
    /// `OutcomeUnknown` where the disk has failed; after any other error nothing is written.
    pub(super) async fn commit(self) -> Result<()> {
        let commit = spawn_blocking(move || {
            let connection = self.connection.lock().take();
            let Some(connection) = connection else {
                return Ok(());
            };
            let done = control(&connection, "COMMIT");
            self.writer.put_back(connection);
            done
        });
        match commit.await {
            Ok(done) => done.map_err(commit_error),
            Err(_) => Err(Error::OutcomeUnknown),
        }
    }

    fn run<T>(
        &self,
        statement: &Statement,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let begun = Instant::now();
        let done = statement_span(statement).in_scope(|| self.with_connection(run));
        self.observer
            .inline_written(&statement.sql, begun.elapsed());
        done
    }

    fn with_connection<T>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let connection = self.connection.lock();
        let done = match &*connection {
            Some(connection) => run(connection),
            None => Err(rusqlite::Error::InvalidQuery),
        };
        done.map_err(|error| {
            let kind = DbErrorKind::of_inline(&error);
            if kind == DbErrorKind::FileGone {
                return kind.told(error);
            }
            tracing::debug!(%error, "a write is left to the pool");
            self.has_failed.store(true, Ordering::Relaxed);
            Error::Unavailable
        })
    }
}

impl Drop for InlineTxn {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.get_mut().take() {
            self.writer.put_back(connection);
        }
    }
}

fn commit_error(error: rusqlite::Error) -> Error {
    if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) {
        tracing::warn!(%error, "a commit was not answered");
        return Error::OutcomeUnknown;
    }
    DbErrorKind::of_inline(&error).told(error)
}

fn control(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.raw_execute().map(drop)
}

#[cfg(test)]
mod tests;
