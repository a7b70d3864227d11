//! Parse, run, and turn an error into an exit code.

use std::process::ExitCode;

use buildbot_graphql::{
    cli::{Cli, run},
    log,
};
use clap::Parser;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let log = log::start(&cli.log);
    let done = serve(cli);
    // Outside of the runtime, which has ended: what waits to be sent may take a moment.
    log.end();
    done
}

#[tokio::main]
async fn serve(cli: Cli) -> ExitCode {
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
