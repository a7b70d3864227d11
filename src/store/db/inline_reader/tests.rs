//! Reading inline, over files of a table each.

use rusqlite::Connection;
use sea_orm::{DbBackend, Statement};
use tempfile::TempDir;

use super::*;

/// Ends only if it is stopped.
const ENDLESS: &str =
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT COUNT(*) FROM c";
const NUMBERS: &str = "SELECT n FROM t ORDER BY n";

/// A file with a table of these values, a connection that writes to it, and a reader.
struct ReadFile {
    dir: TempDir,
    writer: Connection,
    readers: InlineReaders,
}

impl ReadFile {
    fn new(journal: &str, values: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("t.sqlite");
        let writer = Connection::open(&file).expect("a file");
        let table =
            format!("PRAGMA journal_mode = {journal}; CREATE TABLE t (n); INSERT INTO t {values}");
        writer.execute_batch(&table).expect("a table");
        let access = InlineAccess {
            file: &file,
            is_read_only: false,
            is_immutable: false,
        };
        let readers = InlineReaders::open(&access, 1).expect("a reader");
        Self {
            dir,
            writer,
            readers,
        }
    }

    fn log_bytes(&self) -> Option<u64> {
        let log = self.dir.path().join("t.sqlite-wal");
        Some(log.metadata().ok()?.len())
    }
}

fn plain(sql: &str) -> Statement {
    Statement::from_string(DbBackend::Sqlite, sql)
}

fn ints(readers: &InlineReaders, statement: &Statement) -> Option<Vec<i64>> {
    let rows = readers.read(statement, Bounds::NONE, |row| Ok((row.get(0)?, 0)))?;
    Some(rows.rows)
}

#[test]
fn rows_are_read_with_their_values_bound() {
    let fixture = ReadFile::new("wal", "VALUES (1), (2), (3), (9223372036854775807), ('x')");
    let sql = "SELECT n FROM t WHERE n >= ? AND n <> ? AND n <> ? ORDER BY n";
    let values = [2.into(), 3_i64.into(), "x".into()];
    let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
    for _ in 0..3 {
        assert_eq!(ints(&fixture.readers, &statement), Some(vec![2, i64::MAX]));
    }
}

#[test]
fn a_statement_beyond_its_budget_is_left_to_the_pool_for_some_turns() {
    let fixture = ReadFile::new("wal", "VALUES (1)");
    let (readers, statement) = (&fixture.readers, plain(ENDLESS));
    assert_eq!(ints(readers, &statement), None);
    let is_left = || readers.slow.lock().is_left_to_pool(&statement.sql);
    for turn in 1..SLOW_TURNS {
        assert!(is_left(), "{turn}");
    }
    assert!(!is_left(), "it is tried again");
    assert_eq!(ints(readers, &statement), None);
    assert!(is_left());
    // Others, and the connection itself, are none the worse.
    assert_eq!(ints(readers, &plain(NUMBERS)), Some(vec![1]));
}

#[test]
fn rows_that_take_too_much_are_left_to_the_pool() {
    let fixture = ReadFile::new("wal", "VALUES (1), (2)");
    let statement = plain(NUMBERS);
    let each = |bytes| {
        let read = |row: Row<'_>| Ok((row.get::<i64>(0)?, bytes));
        fixture.readers.read(&statement, Bounds::NONE, read)
    };
    let read = each(MAX_BYTES / 2 - size_of::<i64>()).expect("just enough");
    assert_eq!((read.rows.len(), read.bytes), (2, MAX_BYTES));
    assert!(each(MAX_BYTES / 2).is_none());
}

#[test]
fn a_read_ends_at_its_bounds() {
    let fixture = ReadFile::new("wal", "VALUES (1), (2), (3)");
    let statement = plain(NUMBERS);
    for (least, max_bytes, expected) in [
        (0, 0, (0, true)),
        (0, 10, (1, true)),
        (2, 10, (2, true)),
        (0, 29, (2, true)),
        (0, 30, (3, false)),
        (3, 0, (3, false)),
    ] {
        let bounds = Bounds { least, max_bytes };
        let read = |row: Row<'_>| Ok((row.get::<i64>(0)?, 10));
        let read = fixture.readers.read(&statement, bounds, read);
        let read = read.expect("it is short");
        assert_eq!((read.rows.len(), read.is_cut), expected, "{bounds:?}");
    }
}

#[test]
fn odd_values_are_left_to_the_pool() {
    let odd = ["'7'", "7.5", "x'37'", "NULL", "9223372036854775808"];
    for value in odd {
        let fixture = ReadFile::new("wal", &format!("VALUES ({value})"));
        assert_eq!(ints(&fixture.readers, &plain(NUMBERS)), None, "{value}");
    }
    let broken = ReadFile::new("wal", "VALUES (CAST(x'ff' AS TEXT))");
    let read = |row: Row<'_>| Ok((row.get::<String>(0)?, 0));
    assert!(
        broken
            .readers
            .read(&plain(NUMBERS), Bounds::NONE, read)
            .is_none()
    );
    let big = ReadFile::new("wal", "VALUES (2147483648)");
    let read = |row: Row<'_>| Ok((row.get::<i32>(0)?, 0));
    assert!(
        big.readers
            .read(&plain(NUMBERS), Bounds::NONE, read)
            .is_none()
    );
    assert_eq!(ints(&big.readers, &plain(NUMBERS)), Some(vec![1 << 31]));
}

#[test]
fn a_locked_file_is_not_waited_for() {
    let fixture = ReadFile::new("delete", "VALUES (1)");
    let lock = fixture.writer.execute_batch("BEGIN EXCLUSIVE");
    lock.expect("a lock");
    assert_eq!(ints(&fixture.readers, &plain(NUMBERS)), None);
    fixture.writer.execute_batch("COMMIT").expect("a commit");
    assert_eq!(ints(&fixture.readers, &plain(NUMBERS)), Some(vec![1]));
}

#[test]
fn a_write_is_refused() {
    let fixture = ReadFile::new("wal", "VALUES (1)");
    let write = plain("INSERT INTO t VALUES (2) RETURNING n");
    assert_eq!(ints(&fixture.readers, &write), None);
    assert_eq!(ints(&fixture.readers, &plain(NUMBERS)), Some(vec![1]));
}

/// Nor once a statement was ended in its middle.
#[test]
fn no_statement_keeps_the_log_from_being_emptied() {
    let fixture = ReadFile::new("wal", "VALUES (1), (2), ('odd')");
    let write = "UPDATE t SET n = n; PRAGMA wal_checkpoint(TRUNCATE)";
    let endless = ENDLESS.replace("FROM c) SELECT", "FROM c, t) SELECT");
    for sql in ["SELECT n FROM t WHERE n < 3", NUMBERS, &endless] {
        ints(&fixture.readers, &plain(sql));
        fixture.writer.execute_batch(write).expect("a write");
        assert_eq!(fixture.log_bytes(), Some(0), "{sql}");
    }
}

#[test]
fn closed_readers_leave_the_log_to_the_last_connection() {
    let mut fixture = ReadFile::new("wal", "VALUES (1)");
    assert_eq!(ints(&fixture.readers, &plain(NUMBERS)), Some(vec![1]));
    fixture.readers.close();
    assert_eq!(ints(&fixture.readers, &plain(NUMBERS)), None);
    fixture.writer = Connection::open_in_memory().expect("another");
    assert_eq!(fixture.log_bytes(), None);
}
