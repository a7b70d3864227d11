//! The load test: a real server in its own process, thousands of sockets, and a count of every
//! event on each socket. A run in which a subscriber misses an event, or receives one twice or out
//! of order, is void: it ends with an error and prints no figures. Server and generator share the
//! machine, so every report includes the generator's CPU.
#![expect(clippy::print_stdout, reason = "it prints a report")]
#![expect(
    clippy::cast_precision_loss,
    reason = "counts stay far below 2 to the 52nd"
)]

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, Parser, Subcommand};

mod audience;
mod fanout;
mod idle;
mod reconnect;
mod report;
mod resume;
mod server;
mod slow;
mod socket;
mod tail;
mod writer;

/// Every error ends the run, so errors need no types.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Load tests of a buildbot-graphql server over a fresh database
#[derive(Parser, Debug)]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
    #[command(flatten)]
    common: Common,
    /// Cargo passes this to every benchmark
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Args, Debug)]
struct Common {
    /// A fresh, empty database; without it, a `SQLite` file in a temporary folder
    #[arg(long, global = true)]
    database_url: Option<String>,
    /// The server; without it, this commit's
    #[arg(long, global = true)]
    server: Option<PathBuf>,
    /// A flag for the server, such as --server-flag=--feed-queue-bytes=4096; may be given again
    #[arg(long, global = true)]
    server_flag: Vec<String>,
    /// How many connections write
    #[arg(long, global = true, default_value_t = 8)]
    writers: usize,
}

#[derive(Subcommand, Debug)]
enum Mode {
    /// Many subscribers hear every event of one build
    Fanout(fanout::Options),
    /// Many sockets on which nothing happens: their memory
    Idle(idle::Options),
    /// One subscriber catches up on many events
    Resume(resume::Options),
    /// All sockets are cut at once and come back with their cursors, while events are written
    Reconnect(reconnect::Options),
    /// Honest requests beside clients that send or read a byte a second
    Slow(slow::Options),
    /// Many tails of one log, some of which are cut each second
    Tail(tail::Options),
}

/// What every mode works with.
struct Bench {
    server: server::Server,
    client: writer::Client,
    clock: writer::Clock,
    writers: usize,
}

impl Bench {
    fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Writes this many events to a build, at this rate per second or as fast as the server accepts
    /// them.
    async fn write(
        &self,
        build: &writer::Build,
        rate: Option<u32>,
        events: usize,
    ) -> Result<writer::Written> {
        let newest = Arc::default();
        writer::write(self.address(), self.clock, build, rate, events, newest).await
    }
}

// One thread reads all sockets. Writers have their own thread (see `writer`).
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("VOID: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    report::heading(&cli);
    let server = server::Server::start(&cli.common).await?;
    let bench = Bench {
        client: writer::Client::new(server.address),
        clock: writer::Clock::start(),
        server,
        writers: cli.common.writers.max(1),
    };
    match cli.mode {
        Mode::Fanout(options) => fanout::run(&bench, &options).await,
        Mode::Idle(options) => idle::run(&bench, &options).await,
        Mode::Resume(options) => resume::run(&bench, &options).await,
        Mode::Reconnect(options) => reconnect::run(&bench, &options).await,
        Mode::Slow(options) => slow::run(&bench, &options).await,
        Mode::Tail(options) => tail::run(&bench, &options).await,
    }
}
