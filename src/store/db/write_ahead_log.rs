//! Keeps SQLite's write-ahead log short. While another process reads one moment for long, the log
//! only grows, and afterwards SQLite uses its file again but does not shorten it.

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, AssertSqlSafe},
};

use crate::{
    domain::error::{Error, Result},
    store::db::{database::Db, pool::sqlite::LOG_LIMIT},
};

impl Db {
    /// The bytes of the write-ahead log; 0 where there is none.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.log_bytes())
    }

    /// Empties a log that has grown too long, if nobody needs it. A Buildbot master's log is the
    /// master's to empty: it would wait meanwhile.
    pub(crate) async fn shorten_log(&self) -> Result<()> {
        if !self.is_ours || self.require_writable().is_err() || self.log_bytes() <= LOG_LIMIT {
            return Ok(());
        }
        self.try_empty_log().await.map_err(|e| {
            let error = DbErr::Query(RuntimeErr::SqlxError(e.into()));
            Error::from(error)
        })
    }

    async fn try_empty_log(&self) -> Result<(), sqlx::Error> {
        // Not the writer's connection, on which writers wait for each other.
        let mut connection = self.reader.get_sqlite_connection_pool().acquire().await?;
        // Waits for nobody and stops no writer, however much there is to copy.
        let (_, pages, copied): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)")
            .fetch_one(&mut *connection)
            .await?;
        if copied < pages {
            tracing::debug!(pages, copied, "somebody still reads the write-ahead log");
            return Ok(());
        }
        let patience: i64 = sqlx::query_scalar("PRAGMA busy_timeout")
            .fetch_one(&mut *connection)
            .await?;
        // Stops writers while it waits, so it must not wait. There is next to nothing to copy.
        let emptied = sqlx::raw_sql("PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut *connection)
            .await;
        sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA busy_timeout = {patience}")))
            .execute(&mut *connection)
            .await?;
        emptied.map(drop)
    }
}
