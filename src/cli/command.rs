//! The commands of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    cli::token::TokenCommand,
    config::{Config, database::DatabaseConfig, watch::WatchConfig},
};

/// Buildbot's build steps as a GraphQL API: nested queries, writes, and a change feed that never
/// skips.
#[derive(Parser, Debug)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Serve the API until SIGTERM or SIGINT
    Serve(Box<ServeArguments>),
    /// Bring the database's schema up to date
    Migrate(DatabaseConfig),
    /// Put the change feed into a Buildbot master's database, so that its steps can be subscribed
    /// to
    Attach(DatabaseConfig),
    /// Take the change feed out of a Buildbot master's database again
    Detach(DatabaseConfig),
    /// Copy an SQLite database while it is served and written to; the copy is a database of its
    /// own, whose cursors are new
    Backup {
        #[command(flatten)]
        database: DatabaseConfig,
        /// The file to make; it must not be there
        file: PathBuf,
    },
    /// Show the builds of a server as they change: in a terminal what runs, else a line for each
    /// change
    Watch(Box<WatchConfig>),
    /// Make, list and revoke the tokens that callers show
    #[command(subcommand)]
    Token(TokenCommand),
    /// Print the GraphQL schema
    Schema,
    /// Print a script with which a shell completes commands and flags
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The arguments of `serve`.
#[derive(Args, Debug)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Say what would keep the server from starting, and end: with 0 if nothing would, else with 1
    ///
    /// It looks at settings, files, addresses and the database, and changes and makes nothing.
    #[arg(long, help_heading = None::<&'static str>)]
    pub(crate) check: bool,
}
