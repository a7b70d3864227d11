//! Parse, run, and turn an error into an exit code.
// The future that a server is lies deep in its own layers, and in those of the log.
#![recursion_limit = "256"]

use std::{env, process::ExitCode, thread};

use buildbot_graphql::{
    cli::{Cli, run},
    log,
};
use clap::Parser;
use tokio::runtime::Builder;

/// The stack of each thread, in bytes: libraries walk documents and conditions by recursion. It is room, not memory.
const STACK: usize = 8 * 1024 * 1024;

/// Where tokio's users say how many threads they want.
const THREADS: &str = "TOKIO_WORKER_THREADS";

fn main() -> ExitCode {
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
