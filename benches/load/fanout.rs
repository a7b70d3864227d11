//! Many subscribers of one build and a steady rate of events: the latency of each delivery.

use clap::Args;

use crate::{
    Bench, Result,
    audience::Audience,
    report::{Usage, millis, percentiles},
};

/// The highest p99 that `--saturate` accepts, in milliseconds.
const GOOD: f64 = 50.0;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many sockets hear the build
    #[arg(long, default_value_t = 1_000)]
    subscribers: usize,
    /// How many further sockets hear another build, where nothing happens
    #[arg(long, default_value_t = 0)]
    others: usize,
    /// How many events a second
    #[arg(long, default_value_t = 20)]
    rate: u32,
    /// For how long, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Raise the rate by a quarter until p99 exceeds 50 ms or the rate is not reached
    #[arg(long)]
    saturate: bool,
}

pub(crate) async fn run(bench: &Bench, options: &Options) -> Result<()> {
    let other = bench.client.build(1).await?;
    let build = bench.client.build(bench.writers).await?;
    let bystanders = Audience::new(bench.clock, build.cursor.clone());
    let _bystanding = bystanders
        .connect(bench.address(), options.others, other.id)
        .await?;
    let before = bench.server.process.memory()?;
    let audience = Audience::new(bench.clock, build.cursor.clone());
    let _listening = audience
        .connect(bench.address(), options.subscribers, build.id)
        .await?;

    let mut rate = options.rate;
    let mut good = None;
    loop {
        let events = usize::try_from(rate * options.seconds)?;
        let usage = Usage::now(bench)?;
        let written = bench.write(&build, Some(rate), events).await?;
        audience.settle(events).await;
        let latencies = match audience.verdict(&written.positions) {
            Err(error) if options.saturate && error.to_string().contains("FEED_LAGGED") => {
                println!("{rate} events/s: {error}");
                break;
            }
            verdict => verdict?,
        };
        let reached = written.rate();
        let per_second = reached * options.subscribers as f64;
        println!(
            "{rate} events/s: {reached:.0} reached, {per_second:.0} deliveries/s, {}",
            percentiles(&latencies)
        );
        println!("  CPU: {}", usage.per_delivery(bench, latencies.len())?);
        let is_good = millis(&latencies, 99) <= GOOD && reached >= 0.95 * f64::from(rate);
        if !options.saturate || !is_good {
            break;
        }
        good = Some((rate, per_second));
        rate += (rate / 4).max(1);
    }
    if options.saturate {
        match good {
            Some((rate, n)) => println!("last good: {rate} events/s, {n:.0} deliveries/s"),
            None => println!("last good: none"),
        }
    }
    bystanders.verdict(&[])?;
    let each = f64::from(bench.server.process.memory()?.saturating_sub(before))
        / options.subscribers as f64;
    println!("memory: {each:.1} KiB a subscriber");
    Ok(())
}
