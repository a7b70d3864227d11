//! The command line: what each command does, and how a server comes up and goes down.

use std::{io::Write, net::SocketAddr};

use clap::{Parser, Subcommand};
use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{SignalKind, signal},
};

use crate::{
    app::App,
    clock::Clock,
    config::{Config, DatabaseConfig},
    demo,
    error::StartError,
    graphql, http,
    store::{Changes, Db, OnPending},
};

/// How many connections wait to be taken.
const BACKLOG: u32 = 4_096;
/// As many files, which sockets are, as we ask to have open at most.
const MOST_FILES: u64 = 1 << 20;

/// Buildbot's build steps as a GraphQL API: nested queries, writes, and a change feed that never skips.
#[derive(Parser, Debug)]
#[command(version, about)]
pub struct Cli {
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
    /// Print the GraphQL schema
    Schema,
}

/// Runs the command.
///
/// # Errors
/// Why it could not be run, in words for the operator.
pub async fn run(cli: Cli) -> Result<(), StartError> {
    match cli.command {
        Command::Serve(config) => serve(*config).await,
        Command::Migrate(database) => {
            let applied = Db::migrate(&database).await?;
            match applied.as_slice() {
                [] => say("The schema is up to date."),
                names => say(&format!("Applied {}.", names.join(", "))),
            }
            Ok(())
        }
        Command::Attach(database) => {
            report(
                &Db::attach(&database).await?,
                "The change feed is there already.",
            );
            Ok(())
        }
        Command::Detach(database) => {
            report(&Db::detach(&database).await?, "There is no change feed.");
            Ok(())
        }
        Command::Schema => {
            say(graphql::sdl().trim_end());
            Ok(())
        }
    }
}

async fn serve(config: Config) -> Result<(), StartError> {
    let pending = if config.no_migrate {
        OnPending::Refuse
    } else {
        OnPending::Apply
    };
    let db = Db::connect(&config.database, pending).await?;
    let address = config.http.listen;
    let listening = |source| StartError::Listen { address, source };
    let listener = listen(address).map_err(listening)?;
    let local = listener.local_addr().map_err(listening)?;
    let is_demo = config.demo;
    let app = App::new(config, db, Clock::System).await?;
    let api = graphql::Api::new(app.clone()).await?;
    if is_demo {
        demo::prepare(&app).await?;
        demo::start(&app);
    }
    stop_on_signal(&app).map_err(listening)?;
    let beside = match (app.db.is_writable(), app.feed.is_attached()) {
        (true, _) => "",
        (false, true) => "\n  database  a Buildbot master's, attached: queries and subscriptions",
        (false, false) => {
            "\n  database  a Buildbot master's, not attached: queries alone; `buildbot-graphql attach` adds subscriptions"
        }
    };
    say(&format!(
        "\
buildbot-graphql {version}
  GraphiQL  http://{local}/graphiql
  GraphQL   http://{local}/graphql  (POST, GET, WebSocket, SSE)
  health    http://{local}/healthz  http://{local}/readyz{beside}
Try:
  curl -s http://{local}/graphql -H 'Content-Type: application/json' \\
    -d '{{\"query\":\"{{ builds(last: 1) {{ nodes {{ number builder {{ name }} steps {{ number name stateString results }} }} }} }}\"}}'",
        version = env!("CARGO_PKG_VERSION"),
    ));
    http::serve(api, listener).await.map_err(listening)
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

/// A line for each thing that was taken out or put in.
fn report(changes: &Changes, nothing: &str) {
    let lines: Vec<String> = [("removed", &changes.removed), ("added", &changes.added)]
        .into_iter()
        .flat_map(|(verb, things)| things.iter().map(move |thing| format!("{verb} {thing}")))
        .collect();
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
