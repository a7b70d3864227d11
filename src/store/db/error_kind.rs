//! What an error of a database means, by the codes that each database gives it.

use std::error::Error as StdError;

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, error::DatabaseError, mysql::MySqlDatabaseError, postgres::PgDatabaseError},
};

use crate::domain::{error::Error, read_only::ReadOnlyReason};

/// How to take a database's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DbErrorKind {
    /// Another writer was in the way; begun anew, it may well work.
    Conflict,
    /// It passes by itself, so the caller may try again.
    Transient,
    /// The database user lacks the right.
    Denied,
    /// There is no such table.
    MissingTable,
    /// A table does not have such a column.
    MissingColumn,
    /// It takes no writes, for now at least.
    ReadOnly(ReadOnlyReason),
    /// There is no room on its disk.
    DiskFull,
    /// The SQLite file is no longer where it was, or was overwritten.
    FileGone,
    /// The database's character set lacks a character.
    MissingCharacter,
    /// It should not have happened.
    Unexpected,
}

/// SQLite's primary result codes, the low byte of an extended one.
mod sqlite {
    pub(super) const PRIMARY: i32 = 0xff;
    /// Whatever has no code of its own.
    pub(super) const ERROR: i32 = 1;
    /// Another connection holds a lock on the file.
    pub(super) const BUSY: i32 = 5;
    /// Another statement of the same connection holds a lock on the table.
    pub(super) const LOCKED: i32 = 6;
    /// A statement that took too long was ended.
    pub(super) const INTERRUPT: i32 = 9;
    pub(super) const READONLY: i32 = 8;
    /// An extended code: the file was renamed or deleted.
    pub(super) const READONLY_DBMOVED: i32 = 1_032;
    pub(super) const IOERR: i32 = 10;
    /// The disk is full.
    pub(super) const FULL: i32 = 13;
    /// The file makes no sense any more: it was overwritten, or its disk is broken.
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const NOTADB: i32 = 26;
    /// The file, or one beside it, cannot be opened.
    pub(super) const CANTOPEN: i32 = 14;
}

/// PostgreSQL's SQLSTATEs, and classes of them.
mod postgres {
    pub(super) const SERIALIZATION_FAILURE: &str = "40001";
    pub(super) const DEADLOCK_DETECTED: &str = "40P01";
    pub(super) const INSUFFICIENT_PRIVILEGE: &str = "42501";
    pub(super) const UNDEFINED_COLUMN: &str = "42703";
    pub(super) const UNDEFINED_TABLE: &str = "42P01";
    pub(super) const UNTRANSLATABLE_CHARACTER: &str = "22P05";
    pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";
    /// A statement that took too long was ended.
    pub(super) const QUERY_CANCELED: &str = "57014";
    pub(super) const IDLE_IN_TRANSACTION_SESSION_TIMEOUT: &str = "25P03";
    /// The server is a standby, or transactions are read-only by default.
    pub(super) const READ_ONLY_SQL_TRANSACTION: &str = "25006";
    pub(super) const DISK_FULL: &str = "53100";
    /// Classes whose errors pass: lost connections, a lack of resources such as disk, operators who
    /// shut down, failures of the system.
    pub(super) const TRANSIENT_CLASSES: [&str; 4] = ["08", "53", "57P", "58"];
    /// Those of them with which a connection ends, whatever the last statement did.
    pub(super) const CONNECTION_ENDED_CLASSES: [&str; 2] = ["08", "57P"];
}

/// The error numbers of MariaDB and MySQL.
mod mysql {
    pub(super) const ER_CHECKREAD: u16 = 1020;
    pub(super) const ER_DISK_FULL: u16 = 1021;
    pub(super) const ER_ERROR_ON_WRITE: u16 = 1026;
    pub(super) const ER_GET_ERRNO: u16 = 1030;
    pub(super) const ER_CON_COUNT_ERROR: u16 = 1040;
    pub(super) const ER_BAD_HOST_ERROR: u16 = 1042;
    pub(super) const ER_UNKNOWN_COM_ERROR: u16 = 1047;
    pub(super) const ER_SERVER_SHUTDOWN: u16 = 1053;
    pub(super) const ER_BAD_FIELD_ERROR: u16 = 1054;
    pub(super) const ER_NORMAL_SHUTDOWN: u16 = 1077;
    pub(super) const ER_RECORD_FILE_FULL: u16 = 1114;
    pub(super) const ER_TABLEACCESS_DENIED_ERROR: u16 = 1142;
    pub(super) const ER_COLUMNACCESS_DENIED_ERROR: u16 = 1143;
    pub(super) const ER_NO_SUCH_TABLE: u16 = 1146;
    pub(super) const ER_TOO_MANY_USER_CONNECTIONS: u16 = 1203;
    pub(super) const ER_LOCK_WAIT_TIMEOUT: u16 = 1205;
    pub(super) const ER_LOCK_DEADLOCK: u16 = 1213;
    pub(super) const ER_OPTION_PREVENTS_STATEMENT: u16 = 1290;
    pub(super) const ER_QUERY_INTERRUPTED: u16 = 1317;
    pub(super) const ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION: u16 = 1792;
    pub(super) const ER_TRUNCATED_WRONG_VALUE_FOR_FIELD: u16 = 1366;
    pub(super) const ER_READ_ONLY_MODE: u16 = 1836;
    /// MariaDB: the connection was killed.
    pub(super) const ER_CONNECTION_KILLED: u16 = 1927;
    /// MariaDB: a statement took too long.
    pub(super) const ER_STATEMENT_TIMEOUT: u16 = 1969;
    /// MySQL: a statement took too long.
    pub(super) const ER_QUERY_TIMEOUT: u16 = 3024;
    /// MySQL: the connection was idle for too long.
    pub(super) const ER_CLIENT_INTERACTION_TIMEOUT: u16 = 4031;
    /// What the system says where a disk is full.
    pub(super) const NO_SPACE: &str = "No space left on device";
    /// A connection ends with these, whatever the last statement did.
    pub(super) const CONNECTION_ENDED: [u16; 4] = [
        ER_SERVER_SHUTDOWN,
        ER_NORMAL_SHUTDOWN,
        ER_QUERY_INTERRUPTED,
        ER_CONNECTION_KILLED,
    ];
}

impl DbErrorKind {
    pub(crate) fn of(error: &DbErr) -> Self {
        match error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Transient,
            DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => Self::of_sqlx(error),
            _ => Self::Unexpected,
        }
    }

    /// Of SQLite on the thread that asks.
    pub(crate) fn of_inline(error: &rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(error, message) => {
                Self::of_sqlite(error.extended_code, message.as_deref().unwrap_or_default())
            }
            _ => Self::Unexpected,
        }
    }

    fn of_sqlx(error: &sqlx::Error) -> Self {
        match error {
            // A server that dies in the middle of an answer leaves a `Protocol` error.
            sqlx::Error::Io(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Transient,
            sqlx::Error::Database(error) => Self::of_database(&**error),
            _ => Self::Unexpected,
        }
    }

    fn of_database(error: &dyn DatabaseError) -> Self {
        if error.is_unique_violation() {
            return Self::Conflict;
        }
        if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
            return Self::of_mysql(error.number(), error.message());
        }
        let code = error.code().unwrap_or_default();
        if error.try_downcast_ref::<PgDatabaseError>().is_some() {
            return Self::of_postgres(&code);
        }
        match code.parse() {
            Ok(code) => Self::of_sqlite(code, error.message()),
            Err(_) => Self::Unexpected,
        }
    }

    fn of_sqlite(code: i32, message: &str) -> Self {
        use sqlite::{
            BUSY, CANTOPEN, CORRUPT, ERROR, FULL, INTERRUPT, IOERR, LOCKED, NOTADB, PRIMARY,
            READONLY, READONLY_DBMOVED,
        };
        match code & PRIMARY {
            // No conflict, which is retried at once: SQLite has waited for its busy timeout.
            BUSY | LOCKED | INTERRUPT | IOERR | CANTOPEN => Self::Transient,
            FULL => Self::DiskFull,
            READONLY if code == READONLY_DBMOVED => Self::FileGone,
            CORRUPT | NOTADB => Self::FileGone,
            READONLY => Self::ReadOnly(ReadOnlyReason::File),
            // Matched by its text, as SQLite has no code for a missing table; the text has been the
            // same throughout SQLite 3.
            ERROR if message.starts_with("no such table") => Self::MissingTable,
            ERROR if message.starts_with("no such column") => Self::MissingColumn,
            _ => Self::Unexpected,
        }
    }

    fn of_postgres(code: &str) -> Self {
        use postgres::{
            DEADLOCK_DETECTED, DISK_FULL, IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            INSUFFICIENT_PRIVILEGE, LOCK_NOT_AVAILABLE, QUERY_CANCELED, READ_ONLY_SQL_TRANSACTION,
            SERIALIZATION_FAILURE, TRANSIENT_CLASSES, UNDEFINED_COLUMN, UNDEFINED_TABLE,
            UNTRANSLATABLE_CHARACTER,
        };
        match code {
            SERIALIZATION_FAILURE | DEADLOCK_DETECTED => Self::Conflict,
            INSUFFICIENT_PRIVILEGE => Self::Denied,
            UNDEFINED_TABLE => Self::MissingTable,
            UNDEFINED_COLUMN => Self::MissingColumn,
            UNTRANSLATABLE_CHARACTER => Self::MissingCharacter,
            READ_ONLY_SQL_TRANSACTION => Self::ReadOnly(ReadOnlyReason::Server),
            DISK_FULL => Self::DiskFull,
            LOCK_NOT_AVAILABLE | QUERY_CANCELED | IDLE_IN_TRANSACTION_SESSION_TIMEOUT => {
                Self::Transient
            }
            _ if TRANSIENT_CLASSES
                .iter()
                .any(|class| code.starts_with(class)) =>
            {
                Self::Transient
            }
            _ => Self::Unexpected,
        }
    }

    fn of_mysql(number: u16, message: &str) -> Self {
        use mysql::{
            ER_BAD_FIELD_ERROR, ER_BAD_HOST_ERROR, ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION,
            ER_CHECKREAD, ER_CLIENT_INTERACTION_TIMEOUT, ER_COLUMNACCESS_DENIED_ERROR,
            ER_CON_COUNT_ERROR, ER_CONNECTION_KILLED, ER_DISK_FULL, ER_ERROR_ON_WRITE,
            ER_GET_ERRNO, ER_LOCK_DEADLOCK, ER_LOCK_WAIT_TIMEOUT, ER_NO_SUCH_TABLE,
            ER_NORMAL_SHUTDOWN, ER_OPTION_PREVENTS_STATEMENT, ER_QUERY_INTERRUPTED,
            ER_QUERY_TIMEOUT, ER_READ_ONLY_MODE, ER_RECORD_FILE_FULL, ER_SERVER_SHUTDOWN,
            ER_STATEMENT_TIMEOUT, ER_TABLEACCESS_DENIED_ERROR, ER_TOO_MANY_USER_CONNECTIONS,
            ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, ER_UNKNOWN_COM_ERROR, NO_SPACE,
        };
        match number {
            // `ER_CHECKREAD`: a row has changed since it was read.
            ER_LOCK_DEADLOCK | ER_CHECKREAD => Self::Conflict,
            ER_TABLEACCESS_DENIED_ERROR | ER_COLUMNACCESS_DENIED_ERROR => Self::Denied,
            ER_NO_SUCH_TABLE => Self::MissingTable,
            ER_BAD_FIELD_ERROR => Self::MissingColumn,
            ER_OPTION_PREVENTS_STATEMENT
            | ER_READ_ONLY_MODE
            | ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION => Self::ReadOnly(ReadOnlyReason::Server),
            ER_DISK_FULL | ER_RECORD_FILE_FULL => Self::DiskFull,
            // The system's error, of which the message has the number.
            ER_ERROR_ON_WRITE | ER_GET_ERRNO if message.contains(NO_SPACE) => Self::DiskFull,
            ER_TRUNCATED_WRONG_VALUE_FOR_FIELD => Self::MissingCharacter,
            // Timeouts.
            ER_LOCK_WAIT_TIMEOUT
            | ER_STATEMENT_TIMEOUT
            | ER_QUERY_TIMEOUT
            | ER_QUERY_INTERRUPTED
            | ER_CLIENT_INTERACTION_TIMEOUT
            // Connections refused, killed or lost, and a server that shuts down.
            | ER_CON_COUNT_ERROR
            | ER_TOO_MANY_USER_CONNECTIONS
            | ER_BAD_HOST_ERROR
            | ER_UNKNOWN_COM_ERROR
            | ER_CONNECTION_KILLED
            | ER_SERVER_SHUTDOWN
            | ER_NORMAL_SHUTDOWN => Self::Transient,
            _ => Self::Unexpected,
        }
    }
}

/// Whether an error is the database's answer to a statement. Without one, as where the connection
/// was lost or killed or the disk has failed, nobody knows whether the statement was carried out.
pub(crate) fn is_answer(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    let Some(error) = error.as_database_error() else {
        return false;
    };
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return !mysql::CONNECTION_ENDED.contains(&error.number());
    }
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        return !postgres::CONNECTION_ENDED_CLASSES
            .iter()
            .any(|class| code.starts_with(class));
    }
    let primary = code.parse().map(|code: i32| code & sqlite::PRIMARY);
    primary != Ok(sqlite::IOERR)
}

/// Whether SQLite refused a connection because another one holds what it needs.
pub(crate) fn is_busy(error: &DbErr) -> bool {
    matches!(error, DbErr::Conn(_))
        && sqlite_code(error).is_some_and(|code| code & sqlite::PRIMARY == sqlite::BUSY)
}

/// Whether SQLite could not open the file, or one beside it.
pub(crate) fn is_not_opened(error: &DbErr) -> bool {
    sqlite_code(error).is_some_and(|code| code & sqlite::PRIMARY == sqlite::CANTOPEN)
}

fn sqlite_code(error: &DbErr) -> Option<i32> {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    error.as_database_error()?.code()?.parse().ok()
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        DbErrorKind::of(&error).told(error)
    }
}

impl DbErrorKind {
    /// What callers are told, and the log.
    pub(crate) fn told(self, error: impl StdError + Send + Sync + 'static) -> Error {
        match self {
            Self::Conflict => {
                tracing::debug!(%error, "another writer was in the way");
                Error::Conflict
            }
            Self::Transient => {
                tracing::warn!(%error, "the database does not answer");
                Error::Unavailable
            }
            Self::ReadOnly(reason) => {
                tracing::debug!(%error, "the database takes no writes");
                Error::ReadOnly(reason)
            }
            Self::DiskFull => {
                tracing::warn!(%error, "the database has no room");
                Error::DiskFull
            }
            Self::FileGone => {
                tracing::warn!(%error, "the database's file is not what it was");
                Error::FileGone
            }
            Self::MissingCharacter => {
                tracing::debug!(%error, "the database cannot hold a text");
                Error::invalid(
                    "a text",
                    "only characters that the database's character set has",
                )
            }
            Self::Denied | Self::MissingTable | Self::MissingColumn | Self::Unexpected => {
                Error::internal(error)
            }
        }
    }
}
