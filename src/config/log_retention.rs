//! How long the lines of logs are kept.

use clap::Args;

use crate::config::value::{MOST, whole};

/// Settings of the logs in the server's own database.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub(crate) struct LogRetentionConfig {
    /// The lines of a log are dropped so many days after its step began; never, unless it is given
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_LOG_DAYS",
        value_parser = whole::<i64>(1..=36_500),
    )]
    pub(crate) log_days: Option<i64>,
    /// The lines of the oldest finished logs are dropped where all take more than so many bytes as
    /// they are stored; never, unless it is given
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_LOG_BYTES",
        value_parser = whole::<u64>(0..=MOST),
    )]
    pub(crate) log_bytes: Option<u64>,
}
