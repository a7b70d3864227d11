//! What can be configured: a flag, its environment twin, its default and a line of meaning each.

pub(crate) mod connection;
pub(crate) mod database;
pub(crate) mod feed;
pub(crate) mod http;
pub(crate) mod limit;
pub(crate) mod log;
pub(crate) mod origin;
pub(crate) mod rate;
pub(crate) mod rest;
pub(crate) mod token;

use clap::{Args, Parser};

use crate::config::{
    connection::ConnectionConfig,
    database::DatabaseConfig,
    feed::FeedConfig,
    http::{Anonymous, HttpConfig},
    limit::LimitConfig,
    rate::RateConfig,
    rest::RestConfig,
    token::TokenConfig,
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
    pub(crate) rest: RestConfig,
    #[command(flatten)]
    pub(crate) limit: LimitConfig,
    #[command(flatten)]
    pub(crate) token: TokenConfig,
    /// Refuse to start on pending migrations instead of applying them
    #[arg(long, env = "BUILDBOT_GRAPHQL_NO_MIGRATE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) no_migrate: bool,
    /// Run simulated builders in a database of their own, buildbot-graphql-demo.sqlite unless
    /// --database-url names another, which must be new or made by --demo
    #[arg(long, env = "BUILDBOT_GRAPHQL_DEMO", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) demo: bool,
}

impl Config {
    /// Fails where settings contradict each other, with a message that says what to do.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.http.check()?;
        if self.demo && self.database.read_only {
            let both = "--demo and --read-only: the demo writes builds; give one of the two";
            return Err(both.to_owned());
        }
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
    pub(crate) fn anonymous(&self) -> Anonymous {
        match self.http.anonymous {
            Some(given) => given,
            None if self.demo && self.http.listen.ip().is_loopback() => Anonymous::Write,
            None => Anonymous::Read,
        }
    }

    /// Reads flags of `serve`, the first argument being the program's name.
    ///
    /// # Errors
    /// The message that the command line would print.
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self, String> {
        #[derive(Parser)]
        struct Flags {
            #[command(flatten)]
            config: Config,
        }
        let flags = Flags::try_parse_from(arguments);
        flags.map(|flags| flags.config).map_err(|e| e.to_string())
    }
}
