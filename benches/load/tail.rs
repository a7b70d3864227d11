//! Many tails of one log while it grows, some of which are cut each second and come back: each must
//! receive each line once, in order, and hear of the end.

use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use clap::Args;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, interval, sleep_until},
};

use crate::{
    Bench, Result,
    report::{Usage, percentiles},
    socket::{self, Socket},
    writer::{Client, Clock, on_own_thread},
};

const QUERY: &str = "subscription($logid: Int!, $from: Int!) { logTail(logid: $logid, from: $from) { from next complete lines { text } } }";
/// Each second, one of so many tails is cut.
const CUT_ONE_OF: usize = 10;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many tails
    #[arg(long, default_value_t = 1_000)]
    tails: usize,
    /// How many lines a second, each written alone
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// For how long, in seconds
    #[arg(long, default_value_t = 20)]
    seconds: u32,
}

/// What all tails have received.
#[derive(Clone)]
struct Tails(Arc<Mutex<Notes>>);

struct Notes {
    clock: Clock,
    /// For each tail the number of the next line.
    next: Vec<i64>,
    /// For each whether it has heard of the end.
    is_complete: Vec<bool>,
    /// Microseconds from sending a line to receiving it.
    latencies: Vec<u32>,
    /// The bytes read from a socket, for one at a time.
    buffer: Vec<u8>,
}

impl Tails {
    fn new(clock: Clock, tails: usize) -> Self {
        Self(Arc::new(Mutex::new(Notes {
            clock,
            next: vec![0; tails],
            is_complete: vec![false; tails],
            latencies: Vec::new(),
            buffer: vec![0; socket::BUFFER],
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a socket and notes what it delivers.
    async fn hear(&self, tail: usize, socket: &mut Socket) -> Result<()> {
        poll_fn(|context| {
            let mut notes = self.lock();
            let mut buffer = std::mem::take(&mut notes.buffer);
            let taken = socket.poll_take(context, &mut buffer, |text| notes.note(tail, text));
            notes.buffer = buffer;
            taken
        })
        .await
    }

    /// Follows the log to its end. Whenever its turn comes, it drops its socket and goes on where
    /// it was.
    async fn follow(
        self,
        tail: usize,
        address: SocketAddr,
        logid: i64,
        mut cuts: watch::Receiver<usize>,
    ) -> Result<()> {
        while !self.lock().is_complete[tail] {
            let mut socket = Socket::open(address).await?;
            let from = self.lock().next[tail];
            let variables = json!({ "logid": logid, "from": from });
            socket.subscribe(QUERY, &variables).await?;
            let is_mine = |cut: &usize| cut % CUT_ONE_OF == tail % CUT_ONE_OF;
            cuts.mark_unchanged();
            while !self.lock().is_complete[tail] {
                tokio::select! {
                    heard = self.hear(tail, &mut socket) => heard?,
                    cut = cuts.changed() => {
                        cut?;
                        if is_mine(&cuts.borrow_and_update()) {
                            break;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl Notes {
    fn note(&mut self, tail: usize, text: &str) -> Result<()> {
        let message: Value = serde_json::from_str(text)?;
        let of = &message["payload"]["data"]["logTail"];
        let Some(lines) = of["lines"].as_array() else {
            // What comes after the last message.
            return match &message["type"] {
                done if done == "complete" && self.is_complete[tail] => Ok(()),
                _ => Err(format!("not lines: {text}").into()),
            };
        };
        let now = self.clock.micros();
        let next = &mut self.next[tail];
        if of["from"] != *next {
            return Err(format!("line {next} was next: {text}").into());
        }
        for line in lines {
            let (number, sent) = line["text"].as_str().and_then(words).ok_or("no words")?;
            if number != *next {
                return Err(format!("line {next} was next: {text}").into());
            }
            *next += 1;
            self.latencies
                .push(u32::try_from(now.saturating_sub(sent))?);
        }
        if of["next"] != *next {
            return Err(format!("{next} lines were received: {text}").into());
        }
        self.is_complete[tail] = of["complete"] == true;
        Ok(())
    }
}

/// The number of a line and when it was sent.
fn words(text: &str) -> Option<(i64, u64)> {
    let (number, sent) = text.split_once(' ')?;
    Some((number.parse().ok()?, sent.parse().ok()?))
}

/// Writes the lines at this rate on a thread of its own, and finishes the log. Returns how long it
/// took.
async fn write(
    client: Client,
    clock: Clock,
    logid: i64,
    lines: u32,
    rate: u32,
) -> Result<Duration> {
    let work = async move {
        let append =
            "mutation($l: Int!, $c: String!) { appendLog(logid: $l, content: $c) { cursor } }";
        let began = Instant::now();
        for number in 0..lines {
            sleep_until(began + Duration::from_secs(1) * number / rate).await;
            let content = format!("{number} {}\n", clock.micros());
            client
                .data(append, json!({ "l": logid, "c": content }))
                .await?;
        }
        let took = began.elapsed();
        let finish = "mutation($l: Int!) { finishLog(logid: $l) { cursor } }";
        client.data(finish, json!({ "l": logid })).await?;
        Ok(took)
    };
    on_own_thread(work).await
}

pub(crate) async fn run(bench: &Bench, options: &Options) -> Result<()> {
    let build = bench.client.build(1).await?;
    let logid = bench.client.log(&build).await?;
    let before = bench.server.process.memory()?;
    let tails = Tails::new(bench.clock, options.tails);
    let (cut, cuts) = watch::channel(0);
    let mut following = JoinSet::new();
    for tail in 0..options.tails {
        let tails = tails.clone();
        following.spawn(tails.follow(tail, bench.address(), logid, cuts.clone()));
    }
    let cutting = async {
        let mut seconds = interval(Duration::from_secs(1));
        loop {
            seconds.tick().await;
            cut.send_modify(|cut| *cut += 1);
        }
    };
    let usage = Usage::now(bench)?;
    let lines = options.rate * options.seconds;
    let client = Client::new(bench.address());
    let writing = write(client, bench.clock, logid, lines, options.rate);
    let took = tokio::select! {
        took = writing => took?,
        never = cutting => never,
    };
    let most = bench.server.process.memory()?;
    while let Some(followed) = following.join_next().await {
        followed??;
    }
    let mut notes = tails.lock();
    if let Some(tail) = notes.next.iter().position(|&next| next != i64::from(lines)) {
        return Err(format!("tail {tail} ended at line {}", notes.next[tail]).into());
    }
    notes.latencies.sort_unstable();
    let received = notes.latencies.len();
    println!(
        "{lines} lines at {:.0}/s, each received once by each of {} tails, of which a tenth was cut each second: {}",
        f64::from(lines) / took.as_secs_f64(),
        options.tails,
        percentiles(&notes.latencies)
    );
    println!("  CPU: {}", usage.per_delivery(bench, received)?);
    let each = f64::from(most.saturating_sub(before)) / options.tails as f64;
    println!("memory: {each:.1} KiB a tail");
    Ok(())
}
