//! What can be configured: a flag, its environment twin, its default and a line of meaning each.

pub(crate) mod connection;
pub(crate) mod database;
pub(crate) mod feed;
pub(crate) mod file;
pub(crate) mod host;
pub(crate) mod http;
pub(crate) mod limit;
pub(crate) mod listen;
pub(crate) mod log;
pub(crate) mod log_retention;
pub(crate) mod origin;
pub(crate) mod rate;
pub(crate) mod rest;
pub(crate) mod rule;
pub(crate) mod secret_file;
pub(crate) mod token;
pub(crate) mod value;
pub(crate) mod watch;

use clap::{ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};

use crate::config::{
    connection::ConnectionConfig,
    database::{DEMO_URL, DatabaseConfig},
    feed::FeedConfig,
    file::FileSetting,
    http::{Anonymous, HttpConfig},
    limit::LimitConfig,
    listen::ListenAddress,
    log_retention::LogRetentionConfig,
    rate::RateConfig,
    rest::RestConfig,
    token::TokenConfig,
    value::{instant, switch},
};

/// Every setting of `serve`.
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
    pub(crate) log_retention: LogRetentionConfig,
    #[command(flatten)]
    pub(crate) rest: RestConfig,
    #[command(flatten)]
    pub(crate) limit: LimitConfig,
    #[command(flatten)]
    pub(crate) token: TokenConfig,
    /// Refuse to start on pending migrations instead of applying them
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_NO_MIGRATE",
        value_parser = switch,
        help_heading = "Database",
    )]
    pub(crate) no_migrate: bool,
    /// Run simulated builders in a database of their own, buildbot-graphql-demo.sqlite unless
    /// --database-url names another, which must be new or made by --demo
    #[arg(long, env = "BUILDBOT_GRAPHQL_DEMO", value_parser = switch, help_heading = "Database")]
    pub(crate) demo: bool,
    /// Let the demo stand still at this time, such as 2026-11-27T12:00:00Z: for screenshots and
    /// examples, in a new database, with --demo
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_DEMO_AT",
        value_name = "TIME",
        value_parser = instant,
        help_heading = "Database",
        hide_short_help = true,
    )]
    pub(crate) demo_at: Option<i64>,
}

/// The flag whose default follows another's.
const STATEMENT: &str = "statement_seconds";

impl Config {
    /// What the command line, its variables and a file say together.
    ///
    /// # Errors
    /// Every rule between flags that is broken, a line each.
    pub(crate) fn from_matches(
        matches: &ArgMatches,
        settings: &[FileSetting],
    ) -> Result<Self, String> {
        let config = Self::from_arg_matches(matches);
        let mut config = config.map_err(|e| file::summary(&e))?;
        // To clap, a file's settings are defaults.
        let is_default = matches.value_source(STATEMENT) == Some(ValueSource::DefaultValue);
        if is_default && !settings.iter().any(|s| s.flag == "statement-seconds") {
            config.set_statement_seconds();
        }
        if config.demo {
            let url = &mut config.database.database_url;
            url.get_or_insert_with(|| DEMO_URL.to_owned());
        }
        let broken = config.broken_rules();
        if broken.is_empty() {
            Ok(config)
        } else {
            Err(broken.join("\n"))
        }
    }

    /// What callers without a token may do, with the default worked out.
    pub(crate) fn anonymous(&self) -> Anonymous {
        match self.http.anonymous {
            Some(given) => given,
            None if self.demo && self.http.listen.is_local() => Anonymous::Write,
            None => Anonymous::Read,
        }
    }

    /// Whether a request may name any host, since nothing says which are this server's.
    pub(crate) fn takes_any_host(&self, listen: &ListenAddress) -> bool {
        let is_known = listen.is_loopback() || self.connection.is_tls();
        self.http.allowed_host.is_empty() && !is_known
    }

    /// Reads flags of `serve`, the first argument being the program's name.
    ///
    /// # Errors
    /// The message that the command line would print.
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self, String> {
        let command = Self::augment_args(Command::new("serve"));
        let matches = command.try_get_matches_from(arguments);
        Self::from_matches(&matches.map_err(|e| e.to_string())?, &[])
    }
}
