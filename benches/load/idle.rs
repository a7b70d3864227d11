//! Idle sockets, and what they cost the server.

use std::time::{Duration, Instant};

use clap::Args;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    Bench, Result,
    audience::Audience,
    report::{Usage, percentiles},
};

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many
    #[arg(long, default_value_t = 10_000)]
    sockets: usize,
    /// Acknowledged sockets that subscribe to nothing
    #[arg(long)]
    without_subscription: bool,
}

pub(crate) async fn run(bench: &Bench, options: &Options) -> Result<()> {
    let build = bench.client.build(1).await?;
    let before = bench.server.process.memory()?;
    let began = Instant::now();
    let audience = Audience::new(bench.clock, build.cursor.clone());
    let (mut idle, mut listening) = (Vec::new(), JoinSet::new());
    if options.without_subscription {
        idle = Audience::open(bench.address(), options.sockets).await?;
    } else {
        listening = audience
            .connect(bench.address(), options.sockets, build.id)
            .await?;
    }
    println!("connected in {:.1} s", began.elapsed().as_secs_f64());
    // Lets the last subscriptions start and the memory used for starting them be freed.
    sleep(Duration::from_secs(3)).await;
    let usage = Usage::now(bench)?;
    sleep(Duration::from_secs(5)).await;
    let after = bench.server.process.memory()?;
    let each = f64::from(after.saturating_sub(before)) / options.sockets as f64;
    println!(
        "memory: {each:.1} KiB a socket, {:.0} MiB in all",
        f64::from(after) / 1024.0
    );
    println!("CPU while idle: {}", usage.since(bench)?);
    if !options.without_subscription {
        // The subscriptions are live: one event reaches all of them.
        let written = bench.write(&build, None, 1).await?;
        audience.settle(1).await;
        println!(
            "one event to all: {}",
            percentiles(&audience.verdict(&written.positions)?)
        );
    }
    drop((idle, listening));
    Ok(())
}
