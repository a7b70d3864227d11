//! Looks again and again at what may change under a running server: an SQLite file that is deleted
//! or replaced and its log that grows, a server that becomes read-only, a disk that is full.

use std::time::Duration;

use rustix::fs::statvfs;
use sea_orm::{ConnectionTrait, DbBackend, sqlx};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{
        error::{Error, Result},
        read_only::ReadOnlyReason,
    },
    store::db::{catalog::read_texts, database::Db},
};

/// The pause between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// The pause between two looks at the write-ahead log.
const LOG_INTERVAL: Duration = Duration::from_secs(5);
/// The longest that a look waits for a database server.
const PATIENCE: Duration = Duration::from_secs(2);
/// After a write that failed on a server's full disk, it is not asked for so long.
const FULL_PAUSE: Duration = Duration::from_secs(5);
/// How many bytes must be free on a disk that was full.
const ROOM: u64 = 256 << 10;

const READ_ONLY: Error = Error::ReadOnly(ReadOnlyReason::Server);

/// Looks until the server stops.
pub(crate) async fn run(db: Db, stop: CancellationToken) {
    let look = async {
        loop {
            sleep(INTERVAL).await;
            db.look().await;
        }
    };
    let shorten_log = async {
        loop {
            sleep(LOG_INTERVAL).await;
            if let Err(error) = db.shorten_log().await {
                tracing::warn!(%error, "the write-ahead log could not be shortened; it is tried again");
            }
        }
    };
    let both = Box::pin(async { tokio::join!(look, shorten_log) });
    stop.run_until_cancelled(both).await;
}

impl Db {
    /// Finds out whether the database is still there and takes writes.
    pub(crate) async fn look(&self) {
        if self.look_at_file().is_err() || self.writability.is_fixed() {
            return;
        }
        if let Ok(outcome) = timeout(PATIENCE, self.probe()).await {
            self.writability.learn(&outcome);
        }
    }

    /// Fails if the database is known to take no writes, and with `Unavailable` where nothing new
    /// is known.
    async fn probe(&self) -> Result<()> {
        match (self.backend(), self.writability.disk_full_since()) {
            (DbBackend::Sqlite, None) => Err(Error::Unavailable),
            (DbBackend::Sqlite, Some(_)) => match self.file.as_ref().map(|f| statvfs(f.path())) {
                Some(Ok(disk)) if disk.f_bavail * disk.f_frsize < ROOM => Err(Error::DiskFull),
                _ => Ok(()),
            },
            (_, Some(since)) if since.elapsed() < FULL_PAUSE => Err(Error::Unavailable),
            (_, Some(_)) => {
                self.try_write("UPDATE graphql_feed SET epoch = epoch")
                    .await
            }
            (DbBackend::MySql, None) => self.probe_mysql().await,
            (_, None) => self.probe_postgres().await,
        }
    }

    async fn try_write(&self, sql: &str) -> Result<()> {
        self.watcher.execute_unprepared(sql).await?;
        Ok(())
    }

    async fn probe_postgres(&self) -> Result<()> {
        let sql = "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' \
                   ELSE current_setting('transaction_read_only') END AS text";
        match self.read_setting(sql).await?.as_str() {
            "off" => Ok(()),
            "standby" => Err(READ_ONLY),
            _ => {
                // A session keeps the default that it began with.
                for pool in [&self.watcher, &self.writer] {
                    close_idle(pool.get_postgres_connection_pool()).await;
                }
                Err(READ_ONLY)
            }
        }
    }

    async fn probe_mysql(&self) -> Result<()> {
        let sql = "SELECT CAST(@@global.read_only AS CHAR) AS text";
        if matches!(self.read_setting(sql).await?.as_str(), "0" | "OFF") {
            return Ok(());
        }
        // Some users are exempt. No row is written.
        let sql = "UPDATE graphql_feed SET epoch = epoch WHERE 1 = 0";
        match self.try_write(sql).await {
            Err(Error::ReadOnly(_)) => Err(READ_ONLY),
            Err(error @ Error::Unavailable) => Err(error),
            // The server looks at the setting first: an exempt user's table may not be there yet.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn read_setting(&self, sql: &str) -> Result<String> {
        let texts = read_texts(&self.watcher, sql).await?;
        texts.into_iter().next().ok_or(Error::Unavailable)
    }
}

/// Closes the connections of a pool that nobody uses; new ones are opened as they are needed.
async fn close_idle(pool: &sqlx::PgPool) {
    // Waited for: one that was just used may still be on its way back.
    let mut idle = pool.acquire().await.ok();
    while let Some(connection) = idle {
        if let Err(error) = connection.close().await {
            tracing::debug!(%error, "a connection did not close cleanly");
        }
        idle = pool.try_acquire();
    }
}
