//! Which database, and how many connections and seconds it may take.

#[cfg(test)]
use std::path::Path;
use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::config::value::{DAY, MOST, switch, whole};

/// Where our database is if no URL is given.
const DEFAULT_URL: &str = "sqlite://buildbot-graphql.sqlite?mode=rwc";
/// Where the demo's is: never in a file that holds anything else.
pub(crate) const DEMO_URL: &str = "sqlite://buildbot-graphql-demo.sqlite?mode=rwc";

/// Settings of the database.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub(crate) struct DatabaseConfig {
    /// The database, on SQLite, PostgreSQL, MariaDB or MySQL: ours, or a Buildbot master's, served
    /// read-only [default: the file buildbot-graphql.sqlite here; buildbot-graphql-demo.sqlite with
    /// --demo]
    #[arg(long, env = "BUILDBOT_GRAPHQL_DATABASE_URL")]
    pub(crate) database_url: Option<String>,
    /// A file with the database's URL, so that no list of processes has its password; a newline at
    /// its end does not count
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_DATABASE_URL_FILE",
        value_name = "FILE",
        conflicts_with = "database_url"
    )]
    pub(crate) database_url_file: Option<PathBuf>,
    /// How many connections read at once
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_READERS",
        default_value_t = 4,
        value_parser = whole::<u32>(1..=10_000),
        hide_short_help = true,
    )]
    pub(crate) readers: u32,
    /// How many bytes of rows are kept in memory for as long as the feed says that they have not
    /// changed; 0 keeps none
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_CACHE_BYTES",
        default_value_t = 64 * 1_048_576,
        value_parser = whole::<usize>(0..=MOST),
        hide_short_help = true,
    )]
    pub(crate) cache_bytes: usize,
    /// How many connections write at once; one on SQLite
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_WRITERS",
        default_value_t = 4,
        value_parser = whole::<u32>(1..=10_000),
        hide_short_help = true,
    )]
    pub(crate) writers: u32,
    /// How many connections read long snapshots, beside the readers
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_SNAPSHOT_READERS",
        default_value_t = 8,
        value_parser = whole::<u32>(1..=10_000),
        hide_short_help = true,
    )]
    pub(crate) snapshot_readers: u32,
    /// How many seconds a client may take to read a long snapshot, before it is cut off with
    /// FEED_LAGGED; it must take something in each quarter of them
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_SNAPSHOT_SECONDS",
        default_value_t = 60,
        value_parser = whole::<u64>(1..=DAY),
        hide_short_help = true,
    )]
    pub(crate) snapshot_seconds: u64,
    /// How many seconds a statement waits for a lock before it gives up as UNAVAILABLE
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_BUSY_SECONDS",
        default_value_t = 10,
        value_parser = whole::<u64>(1..=DAY),
    )]
    pub(crate) busy_seconds: u64,
    /// How many seconds a connection to PostgreSQL or MariaDB may take, or a free one be waited for
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_CONNECT_SECONDS",
        default_value_t = 5,
        value_parser = whole::<u64>(1..=DAY),
        hide_short_help = true,
    )]
    pub(crate) connect_seconds: u64,
    /// How many seconds a statement may run, on SQLite one that reads; 0 is for ever
    ///
    /// It must end before its operation does, so it must be less than --max-seconds, and by default
    /// it is: where --max-seconds is 8 or less, it is a second less than that.
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_STATEMENT_SECONDS",
        default_value_t = 8,
        value_parser = whole::<u64>(0..=DAY),
        hide_short_help = true,
    )]
    pub(crate) statement_seconds: u64,
    /// Write nothing: mutations are READ_ONLY, no migration is applied and no old event dropped
    #[arg(long, env = "BUILDBOT_GRAPHQL_READ_ONLY", value_parser = switch)]
    pub(crate) read_only: bool,
}

impl DatabaseConfig {
    /// That of a unit test over this file: one connection of each kind, and short waits.
    #[cfg(test)]
    pub(crate) fn of_test_file(file: &Path) -> Self {
        Self {
            database_url: Some(format!("sqlite://{}?mode=rwc", file.display())),
            database_url_file: None,
            readers: 1,
            cache_bytes: 0,
            writers: 1,
            snapshot_readers: 1,
            snapshot_seconds: 1,
            busy_seconds: 1,
            connect_seconds: 1,
            statement_seconds: 0,
            read_only: false,
        }
    }

    /// The database's URL, as it was given or by default.
    pub(crate) fn url(&self) -> &str {
        self.database_url.as_deref().unwrap_or(DEFAULT_URL)
    }

    /// How long a statement waits for a lock.
    pub(crate) fn busy(&self) -> Duration {
        Duration::from_secs(self.busy_seconds)
    }

    /// How long a client may take to read a long snapshot.
    pub(crate) fn snapshot_time(&self) -> Duration {
        Duration::from_secs(self.snapshot_seconds.max(1))
    }

    /// The same for connections that read snapshots, whose transactions wait for clients.
    pub(crate) fn for_snapshots(&self, is_sqlite: bool) -> Self {
        let mut config = self.clone();
        if !is_sqlite {
            config.busy_seconds = config.busy_seconds.max(self.snapshot_seconds);
        } else if config.statement_seconds > 0 {
            // It counts for as long as a connection is in use.
            config.statement_seconds += self.snapshot_seconds;
        }
        config
    }

    /// How long a statement may run; `None` is for ever.
    pub(crate) fn statement(&self) -> Option<Duration> {
        (self.statement_seconds > 0).then(|| Duration::from_secs(self.statement_seconds))
    }
}
