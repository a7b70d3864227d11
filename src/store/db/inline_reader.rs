//! Reads an SQLite file on the thread that asks: rows in the system's cache are read in less time
//! than another thread takes to wake up.
//!
//! A statement is given a small budget. Where that is not enough, or anything is unusual, nothing
//! of it counts, and a connection of the pool runs it from the start: it may wait, it has the
//! statement's time limit, and its errors are those that callers are told.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    path::Path,
    time::{Duration, Instant},
};

use hashlink::LruCache;
use parking_lot::Mutex;
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, config::DbConfig};
use sea_orm::{DbErr, Statement, Value};

use crate::store::{
    db::bounded_rows::{Bounds, statement_span},
    row::Row,
};

/// How many instructions of SQLite's a statement is given: enough for some thousand rows, which
/// take one to three milliseconds.
const MAX_INSTRUCTIONS: u32 = 100_000;
/// After how many of them the budget is looked at.
const LOOK_INSTRUCTIONS: u16 = 1_000;
/// The longest that a statement may take where the disk keeps it waiting. A thread of a busy
/// machine waits for a processor for 10 ms now and then, which says nothing of the statement.
const MAX_TIME: Duration = Duration::from_millis(50);
/// How many bytes a statement's rows may take: they are counted only once all are read.
const MAX_BYTES: usize = 1 << 20;

/// How many statements each connection keeps compiled.
const COMPILED: usize = 64;
/// How many statements are known that took more than their budget.
const MAX_SLOW: usize = 1_000;
/// How many times such a statement is left to the pool before it is tried again.
const SLOW_TURNS: u32 = 100;

/// Connections that read inline.
#[derive(Debug)]
pub(crate) struct InlineReaders {
    /// `None` once they are closed.
    idle: Mutex<Option<Vec<Connection>>>,
    slow: Mutex<SlowStatements>,
}

/// How to open a file for reading.
pub(crate) struct InlineAccess<'f> {
    pub(crate) file: &'f Path,
    pub(crate) is_read_only: bool,
    pub(crate) is_immutable: bool,
}

/// What was read inline.
pub(crate) struct InlineRows<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) bytes: usize,
    /// There are more, which would have been too many bytes.
    pub(crate) is_cut: bool,
}

/// Why a statement was not read inline.
#[derive(Debug)]
enum Unread {
    /// It took more than its budget.
    Slow,
    /// The pool will say.
    Other,
}

impl InlineReaders {
    /// Opens all connections, as one that is opened later might find another file.
    ///
    /// # Errors
    /// What SQLite said.
    pub(crate) fn open(access: &InlineAccess<'_>, connections: u32) -> rusqlite::Result<Self> {
        let open = (0..connections).map(|_| access.open());
        Ok(Self {
            idle: Mutex::new(Some(open.collect::<rusqlite::Result<_>>()?)),
            slow: Mutex::new(SlowStatements::default()),
        })
    }

    /// The rows of a query, if they can be read within the budget. `read` says how to read one, and
    /// how many bytes its texts take; it is asked again for rows that were read in vain.
    pub(crate) fn read<T>(
        &self,
        statement: &Statement,
        bounds: Bounds,
        read: impl FnMut(Row<'_>) -> Result<(T, usize), DbErr>,
    ) -> Option<InlineRows<T>> {
        if self.slow.lock().is_left_to_pool(&statement.sql) {
            return None;
        }
        let connection = self.idle.lock().as_mut()?.pop()?;
        let begun = Instant::now();
        let run = || run(&connection, statement, bounds, begun, read);
        let done = statement_span(statement).in_scope(run);
        if let Some(idle) = &mut *self.idle.lock() {
            idle.push(connection);
        }
        // Some instructions take long without a look at the budget.
        if matches!(done, Err(Unread::Slow)) || begun.elapsed() > MAX_TIME {
            self.slow.lock().note(&statement.sql);
        }
        done.ok()
    }

    /// Closes the connections; one that still reads is closed after that.
    pub(crate) fn close(&self) {
        self.idle.lock().take();
    }
}

impl InlineAccess<'_> {
    fn open(&self) -> rusqlite::Result<Connection> {
        let mode = if self.is_read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            // Without the right to write, no reader could make a `-shm` that is missing.
            OpenFlags::SQLITE_OPEN_READ_WRITE
        };
        let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
        let connection = if self.is_immutable {
            let path = self.file.as_os_str().as_encoded_bytes();
            let path = percent_encoding::percent_encode(path, percent_encoding::NON_ALPHANUMERIC);
            let uri = format!("file:{path}?immutable=1");
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?
        } else {
            Connection::open_with_flags(self.file, flags)?
        };
        connection.pragma_update(None, "query_only", true)?;
        set_up(&connection)?;
        Ok(connection)
    }
}

/// Sets up a connection that works inline.
///
/// # Errors
/// What SQLite said.
pub(super) fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    // The pool waits for locks, not the thread that asks.
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_prepared_statement_cache_capacity(COMPILED);
    // Else a statement is compiled anew for each value of its limit.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Opens the files beside it too, which may be locked now.
    let _ = connection.query_one("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()));
    Ok(())
}

/// Runs a statement within its budget. No transaction stays open: dropped, a statement is reset.
fn run<T>(
    connection: &Connection,
    statement: &Statement,
    bounds: Bounds,
    begun: Instant,
    mut read: impl FnMut(Row<'_>) -> Result<(T, usize), DbErr>,
) -> Result<InlineRows<T>, Unread> {
    let mut looks = MAX_INSTRUCTIONS / u32::from(LOOK_INSTRUCTIONS);
    let is_spent = move || {
        looks = looks.saturating_sub(1);
        looks == 0 || begun.elapsed() > MAX_TIME
    };
    connection.progress_handler(LOOK_INSTRUCTIONS.into(), Some(is_spent))?;
    let mut compiled = compile(connection, statement)?;
    let (mut rows, mut bytes, mut all_text_bytes) = (Vec::new(), 0, 0);
    let mut is_cut = false;
    let mut found = compiled.raw_query();
    while let Some(row) = found.next()? {
        let (row, text_bytes) = read(Row::Inline(row)).map_err(|_| Unread::Other)?;
        all_text_bytes += text_bytes;
        if bounds.are_reached(rows.len(), all_text_bytes) {
            is_cut = true;
            break;
        }
        bytes += size_of::<T>() + text_bytes;
        if bytes > MAX_BYTES {
            return Err(Unread::Slow);
        }
        rows.push(row);
    }
    Ok(InlineRows {
        rows,
        bytes,
        is_cut,
    })
}

/// Compiles a statement, and binds its values.
///
/// # Errors
/// What SQLite said, or a value of a type that only the pool binds.
pub(super) fn compile<'c>(
    connection: &'c Connection,
    statement: &Statement,
) -> rusqlite::Result<CachedStatement<'c>> {
    let mut compiled = connection.prepare_cached(&statement.sql)?;
    let values = statement.values.iter().flat_map(|values| &values.0);
    for (i, value) in values.enumerate() {
        let i = i + 1;
        match value {
            Value::Int(n) => compiled.raw_bind_parameter(i, n),
            Value::BigInt(n) => compiled.raw_bind_parameter(i, n),
            Value::BigUnsigned(n) => {
                let n = n.map(i64::try_from).transpose();
                let n = n.map_err(|_| rusqlite::Error::InvalidQuery)?;
                compiled.raw_bind_parameter(i, n)
            }
            Value::SmallInt(n) => compiled.raw_bind_parameter(i, n),
            Value::String(text) => compiled.raw_bind_parameter(i, text),
            Value::Bytes(bytes) => compiled.raw_bind_parameter(i, bytes),
            _ => Err(rusqlite::Error::InvalidQuery),
        }?;
    }
    Ok(compiled)
}

impl From<rusqlite::Error> for Unread {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::Slow,
            _ => Self::Other,
        }
    }
}

/// The statements that lately took more than their budget, by hashes of their texts.
#[derive(Debug)]
struct SlowStatements {
    hasher: RandomState,
    /// How many times each is still left to the pool.
    turns: LruCache<u64, u32>,
}

impl Default for SlowStatements {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            turns: LruCache::new(MAX_SLOW),
        }
    }
}

impl SlowStatements {
    fn note(&mut self, sql: &str) {
        let hash = self.hasher.hash_one(sql);
        self.turns.insert(hash, SLOW_TURNS);
    }

    /// Whether this time a statement is left to the pool.
    fn is_left_to_pool(&mut self, sql: &str) -> bool {
        if self.turns.is_empty() {
            return false;
        }
        let Some(turns) = self.turns.get_mut(&self.hasher.hash_one(sql)) else {
            return false;
        };
        *turns = turns.saturating_sub(1);
        *turns > 0
    }
}

#[cfg(test)]
mod tests;
