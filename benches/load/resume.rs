//! How long a subscriber with an old cursor takes to catch up.

use std::time::Instant;

use clap::Args;

use crate::{Bench, Result, audience::Audience};

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many events it has missed
    #[arg(long, default_value_t = 10_000)]
    events: usize,
    /// How often this is measured
    #[arg(long, default_value_t = 9)]
    rounds: usize,
}

pub(crate) async fn run(bench: &Bench, options: &Options) -> Result<()> {
    let build = bench.client.build(bench.writers).await?;
    let written = bench.write(&build, None, options.events).await?;
    println!("written at {:.0} events/s", written.rate());
    let mut millis = Vec::new();
    for _ in 0..options.rounds.max(1) {
        let audience = Audience::new(bench.clock, build.cursor.clone());
        let mut sockets = Audience::open(bench.address(), 1).await?;
        let began = Instant::now();
        let listener = audience.subscribe(&mut sockets, build.id).await?.start;
        while audience.count(listener) < options.events {
            audience.hear(listener, &mut sockets[0]).await?;
        }
        millis.push(began.elapsed().as_secs_f64() * 1000.0);
        audience.verdict(&written.positions)?;
    }
    millis.sort_by(f64::total_cmp);
    let median = millis[millis.len() / 2];
    let max = millis[millis.len() - 1];
    let rate = options.events as f64 / median * 1000.0;
    println!(
        "{} events heard: median {median:.0} ms, max {max:.0} ms, {rate:.0} events/s",
        options.events
    );
    Ok(())
}
