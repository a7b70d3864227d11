//! The command line: what each command does, and how a server comes up and goes down.

use std::{env, io::Write, net::SocketAddr, path::PathBuf, process::ExitCode, thread};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

use crate::{
    app::App,
    auth::scope::Scope,
    clock::Clock,
    config::{Config, DatabaseConfig, LogConfig},
    demo,
    domain::{command_error::CommandError, time},
    graphql::{api::Api, schema::sdl},
    http::{self, listener::tls::Tls},
    log,
    service::token,
    store::{
        db::{
            backup::{Backup, back_up},
            connect::{PendingMigrations, connect, migrate},
        },
        feed_install::{
            changes::SchemaChanges,
            commands::{attach, detach},
        },
    },
};

/// The stack of each thread, in bytes: libraries walk documents and conditions by recursion. It is room, not memory.
const STACK: usize = 8 * 1024 * 1024;

/// Where tokio's users say how many threads they want.
const THREADS: &str = "TOKIO_WORKER_THREADS";

/// How many connections wait to be taken.
const BACKLOG: u32 = 4_096;
/// As many files, which sockets are, as we ask to have open at most.
const MOST_FILES: u64 = 1 << 20;

/// Buildbot's build steps as a GraphQL API: nested queries, writes, and a change feed that never skips.
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
    /// Put the change feed into a Buildbot master's database, so that its steps can be subscribed to
    Attach(DatabaseConfig),
    /// Take the change feed out of a Buildbot master's database again
    Detach(DatabaseConfig),
    /// Copy an SQLite database while it is served and written to; the copy is a database of its own, whose cursors are new
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

#[derive(Subcommand, Debug)]
enum TokenCommand {
    /// Make a token and print it: it is shown this once, and only its hash is kept
    Create(NewToken),
    /// Print when each token was made, what it may do, and its name
    List(DatabaseConfig),
    /// End a token: from the next request on it can do nothing, and what it holds open ends within seconds
    Revoke {
        /// The token's name
        name: String,
        #[command(flatten)]
        database: DatabaseConfig,
    },
}

#[derive(Args, Debug)]
struct NewToken {
    /// What people call it; at most 64 characters
    #[arg(long)]
    name: String,
    /// What it may do: queries and subscriptions, or mutations too
    #[arg(long, value_parser = scopes())]
    scope: Scope,
    #[command(flatten)]
    database: DatabaseConfig,
}

fn scopes() -> impl TypedValueParser<Value = Scope> {
    let names = PossibleValuesParser::new([Scope::Read, Scope::Write].map(Scope::name));
    names.try_map(|name| Scope::named(&name).ok_or("no scope"))
}

/// Runs the program: reads the command line, runs the command, and turns an error into an exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let log = log::start(&cli.log);
    let done = in_runtime(cli);
    // Outside of the runtime, which has ended: what waits to be sent may take a moment.
    log.end();
    done
}

fn in_runtime(cli: Cli) -> ExitCode {
    let mut runtime = Builder::new_multi_thread();
    if env::var_os(THREADS).is_none() {
        // Large answers are put together without a pause. With a thread for each processor they keep the feed waiting; with two
        // the system has them take turns.
        let processors = thread::available_parallelism().map_or(1, usize::from);
        runtime.worker_threads(2 * processors);
    }
    let runtime = match runtime.enable_all().thread_stack_size(STACK).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no threads can be started");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Why it could not be run, in words for the operator.
async fn run(cli: Cli) -> Result<(), CommandError> {
    match cli.command {
        // Boxed, as all that a server awaits is nested deeper than the compiler looks.
        Command::Serve(config) => Box::pin(serve(*config)).await,
        Command::Migrate(database) => {
            let applied = migrate(&database).await?;
            match applied.as_slice() {
                [] => say("The schema is up to date."),
                names => say(&format!("Applied {}.", names.join(", "))),
            }
            Ok(())
        }
        Command::Attach(database) => {
            report(
                &attach(&database).await?,
                "The change feed is there already.",
            );
            Ok(())
        }
        Command::Detach(database) => {
            report(&detach(&database).await?, "There is no change feed.");
            Ok(())
        }
        Command::Backup { database, file } => {
            let Backup { bytes, feed } = back_up(&database, &file).await?;
            let feed = feed.map_or_else(
                || "It has no change feed.".to_owned(),
                |name| format!("Its feed is named {name}: cursors of the original are CURSOR_EXPIRED in it."),
            );
            say(&format!("{} has {bytes} bytes. {feed}", file.display()));
            Ok(())
        }
        Command::Token(command) => run_token(command).await,
        Command::Schema => {
            say(sdl().trim_end());
            Ok(())
        }
    }
}

async fn run_token(command: TokenCommand) -> Result<(), CommandError> {
    match command {
        TokenCommand::Create(NewToken {
            name,
            scope,
            database,
        }) => {
            let (token, changes) = token::create(&database, &name, scope).await?;
            for line in lines(&changes) {
                say(&line);
            }
            say(token.reveal());
        }
        TokenCommand::List(database) => {
            let tokens = token::list(&database).await?;
            if tokens.is_empty() {
                say("There are no tokens.");
            }
            for token in tokens {
                let made = time::format(token.created_at).unwrap_or_default();
                say(&format!("{made}  {:<5}  {}", token.scope, token.name));
            }
        }
        TokenCommand::Revoke { name, database } => {
            token::revoke(&database, &name).await?;
            say(&format!("revoked {name}"));
        }
    }
    Ok(())
}

async fn serve(config: Config) -> Result<(), CommandError> {
    let pending = if config.no_migrate {
        PendingMigrations::Refuse
    } else {
        PendingMigrations::Apply
    };
    let tls = Tls::load(&config.connection)?;
    let db = connect(&config.database, pending).await?;
    let address = config.http.listen;
    let listening = |source| CommandError::Listen { address, source };
    let listener = listen(address).map_err(listening)?;
    let local = listener.local_addr().map_err(listening)?;
    let is_demo = config.demo;
    let app = App::new(config, db, Clock::System).await?;
    let api = Api::new(app.clone()).await?;
    if is_demo {
        demo::prepare(&app).await?;
        demo::start(&app);
    }
    stop_on_signal(&app).map_err(listening)?;
    reload_on_signal(&app, tls.clone()).map_err(listening)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let beside = match (app.db.is_writable(), app.feed.epoch()) {
        (true, _) => String::new(),
        (false, Ok(_)) => "\n  database  a Buildbot master's: queries and subscriptions".to_owned(),
        (false, Err(why)) => format!("\n  database  a Buildbot master's, queries alone: {why}"),
    };
    say(&format!(
        "\
buildbot-graphql {version}
  GraphiQL  {scheme}://{local}/graphiql
  GraphQL   {scheme}://{local}/graphql  (POST, GET, WebSocket, SSE)
  health    {scheme}://{local}/healthz  {scheme}://{local}/readyz{beside}
Try:
  curl -s {scheme}://{local}/graphql -H 'Content-Type: application/json' \\
    -d '{{\"query\":\"{{ builds(last: 1) {{ nodes {{ number builder {{ name }} steps {{ number name stateString results }} }} }} }}\"}}'",
        version = env!("CARGO_PKG_VERSION"),
    ));
    http::serve(api, listener, tls).await;
    Ok(())
}

/// Thousands may come at once, such as after a restart, and stay.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    if let Err(error) = rlimit::increase_nofile_limit(MOST_FILES) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// SIGTERM and SIGINT stop the server; what runs is finished first.
fn stop_on_signal(app: &App) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = app.stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    });
    Ok(())
}

/// SIGHUP has the certificate read anew. It stops no server, whatever it was sent for.
fn reload_on_signal(app: &App, tls: Option<Tls>) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let stop = app.stop.clone();
    tokio::spawn(async move {
        while let Some(Some(())) = stop.run_until_cancelled(hangup.recv()).await {
            match tls.as_ref().map(Tls::reload) {
                Some(Ok(())) => tracing::info!("the TLS certificate was read anew"),
                Some(Err(error)) => tracing::error!(%error, "the old TLS certificate stays"),
                None => tracing::info!("SIGHUP: without TLS there is nothing to read anew"),
            }
        }
    });
    Ok(())
}

/// A line for each thing that was taken out or put in.
fn lines(changes: &SchemaChanges) -> Vec<String> {
    [("removed", &changes.removed), ("added", &changes.added)]
        .into_iter()
        .flat_map(|(verb, things)| things.iter().map(move |thing| format!("{verb} {thing}")))
        .collect()
}

fn report(changes: &SchemaChanges, nothing: &str) {
    let lines = lines(changes);
    if lines.is_empty() {
        say(nothing);
    } else {
        say(&lines.join("\n"));
    }
}

/// Prints a line for whoever started us; a closed pipe is their choice.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
