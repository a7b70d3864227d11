//! What can be configured: a flag, its environment twin, its default and a line of meaning each.

pub(crate) mod connection;
pub(crate) mod limit;
pub(crate) mod rate;
pub(crate) mod token;

use std::{net::SocketAddr, time::Duration};

use clap::{Args, ValueEnum, value_parser};
use tracing_subscriber::EnvFilter;
use url::Url;

use crate::config::{
    connection::ConnectionConfig, limit::LimitConfig, rate::RateConfig, token::TokenConfig,
};

/// The longest time that a socket may be given, in seconds.
const DAY: u64 = 86_400;

/// What the log has and how it is written, of every command.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogConfig {
    /// How the log on standard error is written
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_LOG_FORMAT",
        default_value = "text",
        global = true
    )]
    pub(crate) log_format: LogFormat,
    /// What the log has, such as `info,buildbot_graphql::access=debug`: levels, of all or by module [default: `RUST_LOG`, else info]
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_LOG",
        value_name = "FILTER",
        global = true
    )]
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

/// What the log has, in the words of `RUST_LOG`.
#[derive(Clone, Debug)]
pub(crate) struct LogFilter(pub(crate) String);

impl std::str::FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = EnvFilter::builder().parse(text);
        read.map(|_| Self(text.to_owned()))
            .map_err(|e| format!("levels such as info or warn,buildbot_graphql=debug: {e}"))
    }
}

/// Everything that `serve` can be told.
#[derive(Args, Clone, Debug)]
pub(crate) struct Config {
    #[command(flatten)]
    pub(crate) http: HttpConfig,
    #[command(flatten)]
    pub(crate) connection: ConnectionConfig,
    #[command(flatten)]
    pub(crate) rate: RateConfig,
    #[command(flatten)]
    pub(crate) database: DatabaseConfig,
    #[command(flatten)]
    pub(crate) feed: FeedConfig,
    #[command(flatten)]
    pub(crate) rest: RestConfig,
    #[command(flatten)]
    pub(crate) limit: LimitConfig,
    #[command(flatten)]
    pub(crate) token: TokenConfig,
    /// Refuse to start on pending migrations instead of applying them
    #[arg(long, env = "BUILDBOT_GRAPHQL_NO_MIGRATE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) no_migrate: bool,
    /// Fill the database with simulated builders and keep their builds running
    #[arg(long, env = "BUILDBOT_GRAPHQL_DEMO", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) demo: bool,
}

/// The HTTP side.
#[derive(Args, Clone, Debug)]
pub(crate) struct HttpConfig {
    /// The address to listen on; port 0 takes a free one
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_LISTEN",
        default_value = "127.0.0.1:8020"
    )]
    pub(crate) listen: SocketAddr,
    /// What callers without a token may do [default: read; write with --demo on a loopback address]
    #[arg(long, env = "BUILDBOT_GRAPHQL_ANONYMOUS")]
    pub(crate) anonymous: Option<Anonymous>,
    /// The largest request body, in bytes; more is refused with 413
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_BODY_BYTES",
        default_value_t = 1_048_576
    )]
    pub(crate) max_body_bytes: usize,
    /// Pages of this origin, or of any with *, may open sockets and event streams and read /api too; give several with commas
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub(crate) allow_origin: Vec<AllowedOrigin>,
    /// A connection whose client takes nothing of what waits for it is closed after so many seconds
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_WRITE_TIMEOUT_SECONDS",
        default_value_t = 30,
        value_parser = value_parser!(u64).range(1..=DAY)
    )]
    pub(crate) write_timeout_seconds: u64,
    /// A socket on which no `connection_init` has come after so many seconds is closed
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_SOCKET_INIT_SECONDS",
        default_value_t = 10,
        value_parser = value_parser!(u64).range(1..=DAY)
    )]
    pub(crate) socket_init_seconds: u64,
    /// A socket on which nothing has come for so many seconds is pinged, and dropped when nothing comes for as
    /// many again; an event stream that is silent for so long gets a comment line
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_SOCKET_PING_SECONDS",
        default_value_t = 15,
        value_parser = value_parser!(u64).range(1..=DAY)
    )]
    pub(crate) socket_ping_seconds: u64,
    /// The largest message of a socket's client, in bytes; more closes the socket with 1009
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_MESSAGE_BYTES",
        default_value_t = 1_048_576
    )]
    pub(crate) max_message_bytes: usize,
    /// How many operations may run on one socket at once
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_SOCKET_OPERATIONS",
        default_value_t = 100
    )]
    pub(crate) max_socket_operations: usize,
}

/// An origin whose pages may do what this server's own may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AllowedOrigin {
    /// Every one.
    Any,
    /// This one, as a browser writes it.
    Exact(String),
}

impl std::str::FromStr for AllowedOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let url = Url::parse(text)
            .map_err(|e| format!("an origin is * or like https://ci.example.org: {e}"))?;
        let origin = url.origin().ascii_serialization();
        // Nothing is left of the URL when its origin is taken away, but the slash that every path begins with.
        let is_bare = url.as_str().strip_prefix(&*origin) == Some("/");
        if is_bare && ["http", "https"].contains(&url.scheme()) {
            Ok(Self::Exact(origin))
        } else {
            Err(
                "an origin is * or like https://ci.example.org, without path, user or query"
                    .to_owned(),
            )
        }
    }
}

/// What callers without a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Anonymous {
    /// Queries and subscriptions
    Read,
    /// Mutations too
    Write,
    /// Nothing
    None,
}

/// Which database.
#[derive(Args, Clone, Debug)]
pub(crate) struct DatabaseConfig {
    /// The database, on SQLite, PostgreSQL, MariaDB or MySQL: ours, or a Buildbot master's, served read-only
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_DATABASE_URL",
        default_value = "sqlite://buildbot-graphql.sqlite?mode=rwc"
    )]
    pub(crate) database_url: String,
    /// How many connections read at once
    #[arg(long, env = "BUILDBOT_GRAPHQL_READERS", default_value_t = 4)]
    pub(crate) readers: u32,
    /// How many connections write at once; one on SQLite
    #[arg(long, env = "BUILDBOT_GRAPHQL_WRITERS", default_value_t = 4)]
    pub(crate) writers: u32,
    /// How many seconds a statement waits for a lock before it gives up as UNAVAILABLE
    #[arg(long, env = "BUILDBOT_GRAPHQL_BUSY_SECONDS", default_value_t = 10)]
    pub(crate) busy_seconds: u64,
    /// How many seconds a connection to PostgreSQL or MariaDB may take, or a free one be waited for
    #[arg(long, env = "BUILDBOT_GRAPHQL_CONNECT_SECONDS", default_value_t = 5)]
    pub(crate) connect_seconds: u64,
    /// How many seconds a statement may run, less than --max-seconds; 0 is for ever. On SQLite a statement that reads
    #[arg(long, env = "BUILDBOT_GRAPHQL_STATEMENT_SECONDS", default_value_t = 8)]
    pub(crate) statement_seconds: u64,
}

/// The change feed.
#[derive(Args, Clone, Debug)]
pub(crate) struct FeedConfig {
    /// Events older than so many seconds are dropped from the feed
    #[arg(long, env = "BUILDBOT_GRAPHQL_FEED_KEEP_SECONDS", default_value_t = 7 * 86_400)]
    pub(crate) feed_keep_seconds: i64,
    /// More events than so many are dropped from the feed, oldest first
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_FEED_KEEP_EVENTS",
        default_value_t = 1_000_000
    )]
    pub(crate) feed_keep_events: i64,
    /// How often old events are looked for, in seconds
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_FEED_PRUNE_SECONDS",
        default_value_t = 60
    )]
    pub(crate) feed_prune_seconds: u64,
    /// How many bytes of answers wait for a subscriber who does not read, before it is cut off with FEED_LAGGED
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_FEED_QUEUE_BYTES",
        default_value_t = 1_048_576
    )]
    pub(crate) feed_queue_bytes: usize,
    /// How many steps a snapshot may hold
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_FEED_SNAPSHOT_STEPS",
        default_value_t = 50_000
    )]
    pub(crate) feed_snapshot_steps: u64,
    /// Subscribers are told UNAVAILABLE when the database has not let the feed be read for so many seconds
    #[arg(long, env = "BUILDBOT_GRAPHQL_FEED_STALE_SECONDS", default_value_t = 5)]
    pub(crate) feed_stale_seconds: u64,
    /// How often, in milliseconds, the database is asked whether another process has written
    #[arg(long, env = "BUILDBOT_GRAPHQL_FEED_POLL_MS", default_value_t = 25)]
    pub(crate) feed_poll_ms: u64,
}

/// The REST API.
#[derive(Args, Clone, Debug)]
pub(crate) struct RestConfig {
    /// How many rows one REST answer holds; what is cut short says so in meta.capped
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_REST_MAX_ROWS",
        default_value_t = 10_000,
        value_parser = value_parser!(u64).range(1..)
    )]
    pub(crate) rest_max_rows: u64,
}

impl Config {
    /// Looks for settings that contradict each other.
    ///
    /// # Errors
    /// Which do, and what to do.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (statement, operation) = (self.database.statement_seconds, self.limit.max_seconds);
        if operation > 0 && !(1..operation).contains(&statement) {
            return Err(format!(
                "--statement-seconds is {statement} and --max-seconds {operation}: a statement must end before its \
                 operation does, or the database would go on with what nobody waits for; give \
                 --statement-seconds from 1 to {}, or --max-seconds 0",
                operation.max(2) - 1
            ));
        }
        Ok(())
    }

    /// What callers without a token may do, with the default worked out.
    #[must_use]
    pub(crate) fn anonymous(&self) -> Anonymous {
        match self.http.anonymous {
            Some(given) => given,
            None if self.demo && self.http.listen.ip().is_loopback() => Anonymous::Write,
            None => Anonymous::Read,
        }
    }
}

impl HttpConfig {
    /// Lets in pages of this origin: one of this server itself, whose `Host` this is, or one that was allowed.
    #[must_use]
    pub(crate) fn allows_origin(&self, origin: &[u8], host: Option<&[u8]>) -> bool {
        let origin = str::from_utf8(origin).unwrap_or_default();
        let from = origin.split_once("://").map(|(_, from)| from.as_bytes());
        let is_own = from.is_some() && from == host;
        is_own
            || self.allow_origin.iter().any(|allowed| match allowed {
                AllowedOrigin::Any => true,
                AllowedOrigin::Exact(exact) => origin == exact,
            })
    }
}

impl DatabaseConfig {
    /// How long a statement waits for the database.
    #[must_use]
    pub(crate) fn busy(&self) -> Duration {
        Duration::from_secs(self.busy_seconds)
    }

    /// How long a statement may run.
    #[must_use]
    pub(crate) fn statement(&self) -> Option<Duration> {
        (self.statement_seconds > 0).then(|| Duration::from_secs(self.statement_seconds))
    }
}

impl FeedConfig {
    /// How often another process's writes are looked for.
    #[must_use]
    pub(crate) fn poll(&self) -> Duration {
        Duration::from_millis(self.feed_poll_ms.max(1))
    }

    /// For how long the feed may not be read before subscribers are told.
    #[must_use]
    pub(crate) fn stale(&self) -> Duration {
        Duration::from_secs(self.feed_stale_seconds.max(1))
    }
}
