//! Well-behaved requests, first alone and then next to clients that send or read one byte a second.

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    Bench, Result,
    report::{Usage, millis, percentiles},
    writer::{Build, Client},
};

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many clients are slow: a third each with heads, with bodies, and with reading
    #[arg(long, default_value_t = 200)]
    clients: usize,
    /// How many honest requests are sent each second, whether those before are answered or not
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// How long honest requests are measured alone, and as long again beside the slow clients
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// How often both are measured, in turn
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// All slow clients send in the same moment of each second, which is worse than strangers do
    #[arg(long)]
    in_step: bool,
}

pub(crate) async fn run(bench: &Bench, options: &Options) -> Result<()> {
    let build = bench.client.build(20).await?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        alone.extend(ask(bench, &build, options).await?);
        let mut slow = JoinSet::new();
        for i in 0..options.clients {
            slow.spawn(trickle(bench.address(), KINDS[i % KINDS.len()]));
            if !options.in_step {
                sleep(Duration::from_secs_f64(1.0 / options.clients as f64)).await;
            }
        }
        sleep(Duration::from_secs(2)).await;
        let usage = Usage::now(bench)?;
        beside.extend(ask(bench, &build, options).await?);
        println!("round {}: {}", round + 1, usage.since(bench)?);
        slow.abort_all();
        while slow.join_next().await.is_some() {}
    }
    alone.sort_unstable();
    beside.sort_unstable();
    println!("alone:  {} ({} requests)", percentiles(&alone), alone.len());
    println!("beside: {}", percentiles(&beside));
    let times = millis(&beside, 99) / millis(&alone, 99);
    println!(
        "p99 beside {} slow clients: {times:.2} times",
        options.clients
    );
    if times > 2.0 {
        return Err("honest requests wait for slow clients".into());
    }
    Ok(())
}

/// Requests a build with its steps at a steady rate. Returns the microseconds from each request's
/// due time to its response.
async fn ask(bench: &Bench, build: &Build, options: &Options) -> Result<Vec<u32>> {
    const QUERY: &str = "query($b: Int!) { build(buildid: $b) { number steps { number name stateString results } } }";
    async fn one(client: Client, buildid: i64, due: Instant) -> Result<u32> {
        client.data(QUERY, json!({ "b": buildid })).await?;
        Ok(u32::try_from(due.elapsed().as_micros())?)
    }
    let began = Instant::now();
    let mut asked = JoinSet::new();
    for i in 0..options.rate * options.seconds {
        let due = began + Duration::from_secs(1) * i / options.rate;
        sleep_until(due).await;
        asked.spawn(one(bench.client.clone(), build.id, due));
    }
    let mut took = Vec::new();
    while let Some(one) = asked.join_next().await {
        took.push(one??);
    }
    Ok(took)
}

#[derive(Clone, Copy)]
enum Kind {
    Head,
    Body,
    Reader,
}

const KINDS: [Kind; 3] = [Kind::Head, Kind::Body, Kind::Reader];

/// Sends or reads one byte a second and reconnects whenever the server closes the connection.
async fn trickle(address: SocketAddr, kind: Kind) -> Result<()> {
    let get = "GET /graphiql/graphiql.min.js HTTP/1.1\r\nHost: x\r\n\r\n";
    let (at_once, then) = match kind {
        Kind::Head => (String::new(), get),
        Kind::Body => (
            "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n".to_owned(),
            r#"{"query":"{ __typename }                                            "#,
        ),
        // More than the operating system buffers for a client that does not read.
        Kind::Reader => (get.repeat(20), ""),
    };
    loop {
        let tcp = TcpSocket::new_v4()?;
        tcp.set_recv_buffer_size(4_096)?;
        let Ok(mut stream) = tcp.connect(address).await else {
            continue;
        };
        if stream.write_all(at_once.as_bytes()).await.is_err() {
            continue;
        }
        for byte in then.as_bytes().iter().chain(std::iter::repeat(&b' ')) {
            sleep(Duration::from_secs(1)).await;
            let is_open = match kind {
                Kind::Reader => stream.read_u8().await.is_ok(),
                Kind::Head | Kind::Body => {
                    // A response means that the server has given up on this client.
                    let mut answer = [0];
                    stream.try_read(&mut answer).is_err() && stream.write_u8(*byte).await.is_ok()
                }
            };
            if !is_open {
                break;
            }
        }
    }
}
