//! The command line: reads it, runs the command, and turns an error into an exit code.

pub(crate) mod arguments;
pub(crate) mod check;
pub(crate) mod command;
pub(crate) mod output;
pub(crate) mod refusal;
pub(crate) mod token;

use std::{env, ffi::OsString, io, path::PathBuf, process::ExitCode, thread};

use tokio::{
    runtime::{Builder, Runtime},
    select,
};

use crate::{
    cli::{
        arguments::{Invocation, completions},
        check::check,
        command::Command,
        output::{print_changes, print_line},
        refusal::report_refusal,
    },
    config::{Config, database::DatabaseConfig, log::LogFormat, secret_file::warn_if_exposed},
    demo,
    domain::command_error::CommandError,
    graphql::schema::sdl,
    log::{self, TARGET},
    server::{Server, signal::stopped},
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
    watch::watch,
};

/// The stack of each thread, in bytes: libraries walk documents and conditions by recursion. It is
/// address space, not memory.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// The variable that sets tokio's number of worker threads.
const WORKER_THREADS: &str = "TOKIO_WORKER_THREADS";

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let given: Vec<OsString> = env::args_os().collect();
    let Invocation {
        command,
        log,
        secret_files,
    } = match arguments::read(&given) {
        Ok(invocation) => invocation,
        Err(error) => return report_refusal(&error, &given),
    };
    // Dropped after the runtime, so that the last traces are sent.
    let _log = log::start(&log);
    for file in &secret_files {
        warn_if_exposed(file);
    }
    let runtime = match build_runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(target: TARGET, %error, "no threads can be started");
            return ExitCode::FAILURE;
        }
    };
    let is_watch = matches!(command, Command::Watch(_));
    let result = runtime.block_on(run(command, log.log_format));
    if is_watch {
        // What still writes, to a pipe that nobody reads, must not keep it from ending.
        runtime.shutdown_background();
    }
    result.unwrap_or_else(|error| {
        tracing::error!(target: TARGET, "{error}");
        ExitCode::FAILURE
    })
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

/// Runs a command; returns its exit code, which is 0 of all but one.
async fn run(command: Command, format: LogFormat) -> Result<ExitCode, CommandError> {
    match command {
        Command::Watch(config) => return watch(*config).await,
        // Boxed, since a server's futures nest deeper than the compiler's recursion limit.
        Command::Serve(arguments) if arguments.check => check(&arguments.config, format).await?,
        Command::Serve(arguments) => Box::pin(serve(arguments.config, format)).await?,
        Command::Migrate(database) => run_migrate(&database).await?,
        Command::Attach(database) => {
            let changes = attach(&database).await?;
            report(&changes, "The change feed is there already.");
        }
        Command::Detach(database) => {
            let changes = detach(&database).await?;
            report(&changes, "There is no change feed.");
        }
        Command::Backup { database, file } => backup(&database, file).await?,
        Command::Token(command) => token::run(command).await?,
        Command::Schema => print_line(sdl().trim_end()),
        Command::Completions { shell } => print_line(&completions(shell)),
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config, format: LogFormat) -> Result<(), CommandError> {
    let is_demo = config.demo;
    let server = Server::open(config).await?;
    // Before the greeting, so that whoever waits for it can already send a signal, and before the
    // demo, which ends its builds when one comes.
    server.handle_signals()?;
    if is_demo {
        demo::run(server.app()).await?;
    }
    let summary = server.summary().await?;
    summary.log();
    if format == LogFormat::Text {
        print_line(&summary.greeting());
    }
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
    let Backup { bytes, feed } = select! {
        copied = back_up(database, &file) => copied?,
        // What was written until then is removed as the copy is dropped.
        reason = stopped() => return Err(CommandError::Backup { file: file.display().to_string(), reason }),
    };
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
