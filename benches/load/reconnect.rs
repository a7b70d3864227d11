//! Cuts all sockets at once and resumes them by cursor while events are written.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use tokio::{task::JoinSet, time::sleep};

use crate::{Bench, Result, audience::Audience, report::percentiles, socket::Socket, writer};

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many sockets
    #[arg(long, default_value_t = 1_000)]
    sockets: usize,
    /// How many events a second
    #[arg(long, default_value_t = 20)]
    rate: u32,
    /// For how long, in seconds; the cut is after 2
    #[arg(long, default_value_t = 12)]
    seconds: u32,
}

pub(crate) async fn run(bench: &Bench, options: &Options) -> Result<()> {
    let build = bench.client.build(bench.writers).await?;
    let audience = Audience::new(bench.clock, build.cursor.clone());
    let address = bench.address();
    let mut listening = audience.connect(address, options.sockets, build.id).await?;
    let newest = Arc::new(AtomicI64::new(0));
    let events = usize::try_from(options.rate * options.seconds)?;
    let writing = writer::write(
        address,
        bench.clock,
        &build,
        Some(options.rate),
        events,
        newest.clone(),
    );
    let cutting = async {
        sleep(Duration::from_secs(2)).await;
        // Stops each task where it waits, which closes its socket.
        listening.shutdown().await;
        let cut = Instant::now();
        let mut returning = JoinSet::new();
        for listener in 0..options.sockets {
            let (audience, newest) = (audience.clone(), newest.clone());
            let back = async move {
                let mut socket = Socket::open(address).await?;
                let target = newest.load(Ordering::Relaxed);
                audience.resume(listener, &mut socket, build.id).await?;
                while !audience.has_reached(listener, target) {
                    audience.hear(listener, &mut socket).await?;
                }
                Result::Ok((listener, socket, cut.elapsed()))
            };
            returning.spawn(back);
        }
        let mut delays = Vec::new();
        let mut live = JoinSet::new();
        while let Some(back) = returning.join_next().await {
            let (listener, socket, delay) = back??;
            delays.push(u32::try_from(delay.as_micros())?);
            live.spawn(audience.clone().listen(listener, socket));
        }
        delays.sort_unstable();
        Result::Ok((delays, live))
    };
    let (written, (delays, live)) = tokio::try_join!(writing, cutting)?;
    audience.settle(events).await;
    let latencies = audience.verdict(&written.positions)?;
    drop(live);
    println!("from the cut until caught up: {}", percentiles(&delays));
    println!(
        "{events} events at {:.0}/s, each heard once by all; with the cut: {}",
        written.rate(),
        percentiles(&latencies)
    );
    Ok(())
}
