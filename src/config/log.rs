//! Settings of the log, which every command takes.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// What the log has and how it is written, of every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logs")]
pub(crate) struct LogConfig {
    /// How the log on standard error is written
    #[arg(long, env = "BUILDBOT_GRAPHQL_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// What the log has, such as `info,buildbot_graphql::access=debug`: levels, of all or by module
    /// [default: `RUST_LOG`, else info]
    #[arg(long, env = "BUILDBOT_GRAPHQL_LOG", value_name = "FILTER")]
    pub(crate) log: Option<LogFilter>,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// A JSON object a line, for machines
    Json,
}

/// What the log has, in the syntax of `RUST_LOG`. Kept as text: clap clones values, and `EnvFilter`
/// cannot be cloned.
#[derive(Clone, Debug)]
pub(crate) struct LogFilter(pub(crate) String);

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = EnvFilter::builder().parse(text);
        read.map(|_| Self(text.to_owned()))
            .map_err(|e| format!("levels such as info or warn,buildbot_graphql=debug: {e}"))
    }
}
