//! The command line: reads it, runs the command, and turns an error into an exit code.

pub(crate) mod output;
pub(crate) mod token;

use std::{env, io, path::PathBuf, process::ExitCode, thread};

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::{
    cli::{
        output::{print_changes, print_line},
        token::TokenCommand,
    },
    config::{Config, database::DatabaseConfig, log::LogConfig},
    demo,
    domain::command_error::CommandError,
    graphql::schema::sdl,
    log,
    server::Server,
    store::{
        db::{
            backup::{Backup, back_up},
            connect::migrate,
        },
        feed_install::{
            changes::SchemaChanges,
            commands::{attach, detach},
        },
    },
};

/// The stack of each thread, in bytes: libraries walk documents and conditions by recursion. It is
/// address space, not memory.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// The variable that sets tokio's number of worker threads.
const WORKER_THREADS: &str = "TOKIO_WORKER_THREADS";

/// Buildbot's build steps as a GraphQL API: nested queries, writes, and a change feed that never
/// skips.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    log: LogConfig,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve the API until SIGTERM or SIGINT
    Serve(Box<Config>),
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
    /// Make, list and revoke the tokens that callers show
    #[command(subcommand)]
    Token(TokenCommand),
    /// Print the GraphQL schema
    Schema,
}

/// The log's target for why a command failed: operators see the program's name, not a module's.
const TARGET: &str = "buildbot_graphql";

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Dropped after the runtime, so that the last traces are sent.
    let _log = log::start(&cli.log);
    let runtime = match build_runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(target: TARGET, %error, "no threads can be started");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(target: TARGET, "{error}");
            ExitCode::FAILURE
        }
    }
}

fn build_runtime() -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if env::var_os(WORKER_THREADS).is_none() {
        // Large responses are built without yielding. With one thread per processor they would
        // keep the feed waiting; with two, the system makes them take turns.
        let processors = thread::available_parallelism().map_or(1, usize::from);
        builder.worker_threads(2 * processors);
    }
    builder.enable_all().thread_stack_size(STACK_BYTES).build()
}

async fn run(command: Command) -> Result<(), CommandError> {
    match command {
        // Boxed, since a server's futures nest deeper than the compiler's recursion limit.
        Command::Serve(config) => Box::pin(serve(*config)).await,
        Command::Migrate(database) => run_migrate(&database).await,
        Command::Attach(database) => {
            let changes = attach(&database).await?;
            report(&changes, "The change feed is there already.");
            Ok(())
        }
        Command::Detach(database) => {
            let changes = detach(&database).await?;
            report(&changes, "There is no change feed.");
            Ok(())
        }
        Command::Backup { database, file } => backup(&database, file).await,
        Command::Token(command) => token::run(command).await,
        Command::Schema => {
            print_line(sdl().trim_end());
            Ok(())
        }
    }
}

async fn serve(config: Config) -> Result<(), CommandError> {
    let is_demo = config.demo;
    let server = Server::open(config).await?;
    // Before the greeting, so that whoever waits for it can already send a signal, and before the
    // demo, which ends its builds when one comes.
    server.handle_signals()?;
    if is_demo {
        demo::run(server.app()).await?;
    }
    print_line(&server.greeting());
    server.run().await;
    Ok(())
}

async fn run_migrate(database: &DatabaseConfig) -> Result<(), CommandError> {
    let applied = migrate(database).await?;
    match applied.as_slice() {
        [] => print_line("The schema is up to date."),
        names => print_line(&format!("Applied {}.", names.join(", "))),
    }
    Ok(())
}

async fn backup(database: &DatabaseConfig, file: PathBuf) -> Result<(), CommandError> {
    let Backup { bytes, feed } = back_up(database, &file).await?;
    let feed = match feed {
        None => "It has no change feed.".to_owned(),
        Some(name) => {
            format!("Its feed is named {name}: cursors of the original are CURSOR_EXPIRED in it.")
        }
    };
    print_line(&format!("{} has {bytes} bytes. {feed}", file.display()));
    Ok(())
}

/// Prints what was changed, or `otherwise` if nothing was.
fn report(changes: &SchemaChanges, otherwise: &str) {
    if changes.added.is_empty() && changes.removed.is_empty() {
        print_line(otherwise);
    } else {
        print_changes(changes);
    }
}
