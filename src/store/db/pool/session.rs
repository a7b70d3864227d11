//! How a session on PostgreSQL, MariaDB or MySQL begins. Limits come from the session, not from the
//! connection's parameters, which a pooler in between may refuse.

use std::sync::Arc;

use sea_orm::{
    DbBackend,
    sqlx::{self, AssertSqlSafe, Executor, pool::PoolOptions},
};

use crate::{config::database::DatabaseConfig, store::db::pool::purpose::Purpose};

/// Begins each session of a pool with these statements.
pub(crate) fn begin_with<D: sqlx::Database>(
    pool: PoolOptions<D>,
    statements: &str,
) -> PoolOptions<D>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    let statements: Arc<str> = statements.into();
    pool.after_connect(move |connection, _| {
        let statements = statements.to_string();
        Box::pin(async move {
            // The statements hold constants and numbers of ours alone.
            connection.execute(AssertSqlSafe(statements)).await?;
            Ok(())
        })
    })
}

pub(crate) fn postgres_session(config: &DatabaseConfig, purpose: Purpose) -> String {
    // Elsewhere the database's own default holds: an operator may have made it read-only.
    let read_only = if purpose.is_read_only() {
        "SET default_transaction_read_only = on; "
    } else {
        ""
    };
    let (busy, statement) = (config.busy_seconds.max(1), config.statement_seconds);
    // While one session waits for a lock on a table, a master's later writes queue behind it.
    let lock = match purpose {
        Purpose::Install => "40ms".to_owned(),
        _ => format!("{busy}s"),
    };
    // A server that is stopped or cut off in the middle of a write must not keep its locks.
    format!(
        "SET lock_timeout = '{lock}'; SET statement_timeout = '{statement}s'; \
         SET idle_in_transaction_session_timeout = '{busy}s'; {read_only}\
         SET default_transaction_isolation = 'read committed'; SET client_min_messages = warning"
    )
}

/// Lets each later statement of a session for `Purpose::Install` wait a second for a lock on a
/// table. SQLite's sessions wait for the file's lock anyway.
pub(crate) fn lock_wait_of_a_second(backend: DbBackend) -> Option<&'static str> {
    match backend {
        DbBackend::Postgres => Some("SET lock_timeout = '1s'"),
        DbBackend::MySql => Some("SET SESSION lock_wait_timeout = 1"),
        _ => None,
    }
}

pub(crate) fn mysql_session(config: &DatabaseConfig, purpose: Purpose) -> String {
    let read_only = if purpose.is_read_only() {
        ", READ ONLY"
    } else {
        ""
    };
    let (busy, statement) = (config.busy_seconds.max(1), config.statement_seconds);
    // As on PostgreSQL. On MariaDB 0 means no wait at all; MySQL makes it a second.
    let lock = match purpose {
        Purpose::Install => 0,
        _ => busy,
    };
    // A text that a column cannot hold is an error and not stored as question marks. MariaDB reads
    // the first comment, MySQL the second. Each statement sees what is committed by
    // then, as on PostgreSQL.
    format!(
        "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), innodb_lock_wait_timeout = {busy}, lock_wait_timeout = {lock} \
         /*M! , max_statement_time = {statement}, idle_write_transaction_timeout = {busy} */ \
         /*!80000 , max_execution_time = {statement}000 */; \
         SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED{read_only}"
    )
}
