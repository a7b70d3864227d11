//! Faults under load, and a checker that compares acknowledged writes with received events: every
//! acknowledged write is delivered once, in order, whichever process is killed, stopped or slow to
//! commit.

use std::{
    collections::{BTreeMap, HashSet},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    feed::{after, event_log, position, summary},
    support::{TIMEOUT, client::Client, database::Database, process::Process, sql::Sql, ws::Ws},
};

mod cluster;
mod disk;
mod exactly_once;
mod kill;
mod late_commit;
mod lost_commit;
mod pause;
mod postgres;
mod read_only_server;
mod reconnect;

/// A port that a server can reuse after a kill. It is outside of the range that the system assigns,
/// which might give it away meanwhile.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// An address of our own to serve at.
fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Starts a server as soon as the port is free.
async fn serve(address: SocketAddr, database: &Database, flags: &[&str]) -> Process {
    while TcpListener::bind(address).is_err() {
        sleep(Duration::from_millis(20)).await;
    }
    Process::listen(&address.to_string(), database, flags).await
}

/// Acknowledged writes: the step and its state by position.
type Acknowledged = BTreeMap<i64, (i64, String)>;

/// What became of a writer's updates.
#[derive(Default)]
struct Written {
    acknowledged: Acknowledged,
    /// The states that the server said it had not written.
    refused: HashSet<String>,
}

/// Writers and listeners on these servers, until stopped.
struct Load {
    addresses: Arc<Vec<SocketAddr>>,
    build: i64,
    /// The cursor that the listeners start from.
    start: String,
    stop: CancellationToken,
    /// How many updates were acknowledged.
    written: Arc<AtomicUsize>,
    /// The position at which listeners stop, once it is known.
    end: Arc<AtomicI64>,
    writers: Vec<JoinHandle<Written>>,
    listeners: Vec<JoinHandle<Vec<Value>>>,
}

/// The results of a run, already compared.
struct Outcome {
    received: Vec<Value>,
}

impl Load {
    /// Starts this many writers and listeners on a build of their own.
    async fn start(addresses: &[SocketAddr], writers: usize, listeners: usize) -> Self {
        let client = Client::new(addresses[0]);
        let build = client.add_build("served").await;
        let (_, start) = client.new_step(build, "start").await;
        let mut load = Self {
            addresses: Arc::new(addresses.to_vec()),
            build,
            start,
            stop: CancellationToken::new(),
            written: Arc::default(),
            end: Arc::new(AtomicI64::new(-1)),
            writers: Vec::new(),
            listeners: Vec::new(),
        };
        for i in 0..listeners {
            let (addresses, start, end) =
                (load.addresses.clone(), load.start.clone(), load.end.clone());
            load.listeners
                .push(tokio::spawn(listen(addresses, i, start, end)));
        }
        for i in 0..writers {
            let (addresses, stop) = (load.addresses.clone(), load.stop.clone());
            let written = load.written.clone();
            load.writers
                .push(tokio::spawn(write(addresses, build, i, stop, written)));
        }
        load
    }

    /// Waits until this many updates were acknowledged: fewer would prove little.
    async fn reach(&self, updates: usize) {
        let reached = async {
            while self.written.load(Ordering::Relaxed) < updates {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(TIMEOUT, reached)
            .await
            .expect("hardly anything is acknowledged");
    }

    /// Stops the writers, ends all listeners with one more event, and compares everything.
    async fn finish(self, sql: &Sql) -> Outcome {
        self.stop.cancel();
        let mut acknowledged = Acknowledged::new();
        let mut refused = HashSet::new();
        for writer in self.writers {
            let written = writer.await.unwrap();
            refused.extend(written.refused);
            for (position, what) in written.acknowledged {
                let before = acknowledged.insert(position, what);
                assert!(before.is_none(), "two updates at {position}");
            }
        }
        let last = loop {
            let client = Client::new(self.addresses[0]);
            let add = "mutation($b: Int!) { newStep(buildid: $b, name: \"end\") { cursor } }";
            // Retried where the response was lost or the database is still recovering.
            match client.try_execute(add, json!({ "b": self.build })).await {
                Ok(response) if response.get("errors").is_none() => {
                    break position(&response["data"]["newStep"]["cursor"]);
                }
                _ => sleep(Duration::from_millis(50)).await,
            }
        };
        self.end.store(last, Ordering::Relaxed);
        let start = position(&json!(self.start));
        let log: Vec<Value> = event_log(sql, start).await;
        let log: Vec<Value> = log
            .into_iter()
            .filter(|row| row_position(row) <= last)
            .collect();
        assert!(
            log.iter().map(row_position).eq(start + 1..=last),
            "the feed has holes"
        );
        let mut received = Vec::new();
        for listener in self.listeners {
            received = listener.await.unwrap().iter().map(summary).collect();
            assert!(
                received.is_sorted_by(|a, b| row_position(a) < row_position(b)),
                "something is heard twice or out of order"
            );
            assert_eq!(received, log);
        }
        let by_position: BTreeMap<i64, &Value> = received
            .iter()
            .map(|row| (row_position(row), row))
            .collect();
        for (position, (stepid, state)) in &acknowledged {
            let row = by_position
                .get(position)
                .unwrap_or_else(|| panic!("{position} was acknowledged and not heard"));
            assert_eq!((&row[2], &row[4]), (&json!(stepid), &json!(state)), "{row}");
        }
        for row in &received {
            let state = row[4].as_str().unwrap();
            assert!(!refused.contains(state), "refused, and heard: {row}");
        }
        check_steps(sql, &received).await;
        Outcome { received }
    }
}

/// The position of an event in summary form.
fn row_position(row: &Value) -> i64 {
    row[0].as_i64().unwrap()
}

/// The last event of each step matches the step's row: no change went unreported.
async fn check_steps(sql: &Sql, received: &[Value]) {
    let last: BTreeMap<i64, &Value> = received
        .iter()
        .map(|row| (row[2].as_i64().unwrap(), &row[4]))
        .collect();
    let rows = sql
        .rows("SELECT json_array(id, state_string) AS json FROM steps ORDER BY id")
        .await;
    for row in rows {
        if let Some(state) = last.get(&row[0].as_i64().unwrap()) {
            assert_eq!(**state, row[1], "step {}", row[0]);
        }
    }
}

/// Writes to a new step every few updates, alternating between the servers.
async fn write(
    addresses: Arc<Vec<SocketAddr>>,
    build: i64,
    number: usize,
    stop: CancellationToken,
    count: Arc<AtomicUsize>,
) -> Written {
    const SET: &str = "mutation($s: Int!, $t: String!) { \
         answer: setStepStateString(stepid: $s, stateString: $t) { cursor step { stepid stateString } } }";
    const ADD: &str = "mutation($b: Int!, $n: String!) { \
         answer: newStep(buildid: $b, name: $n) { cursor step { stepid stateString } } }";
    let clients: Vec<Client> = addresses.iter().map(|a| Client::new(*a)).collect();
    let (name, mut written) = (format!("w{number}"), Written::default());
    let mut current: Option<i64> = None;
    for i in 0.. {
        if stop.is_cancelled() {
            break;
        }
        if i % 10 == 0 {
            current = None;
        }
        let client = &clients[(number + i) % clients.len()];
        let state = format!("{name} {i}");
        let response = match current {
            Some(stepid) => {
                let variables = json!({ "s": stepid, "t": state });
                client.try_execute(SET, variables).await
            }
            None => {
                client
                    .try_execute(ADD, json!({ "b": build, "n": name }))
                    .await
            }
        };
        // Without a response, the write may or may not have happened.
        let Ok(response) = response else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        if let Some(error) = response["errors"].get(0) {
            let code = error["extensions"]["code"].as_str().unwrap();
            if code != "OUTCOME_UNKNOWN" {
                assert_eq!(code, "UNAVAILABLE", "{response:#}");
                written.refused.insert(state);
            }
            sleep(Duration::from_millis(20)).await;
            continue;
        }
        let payload = &response["data"]["answer"];
        let stepid = payload["step"]["stepid"].as_i64().unwrap();
        let state = payload["step"]["stateString"].as_str().unwrap().to_owned();
        let at = position(&payload["cursor"]);
        let before = written.acknowledged.insert(at, (stepid, state));
        assert!(
            before.is_none(),
            "a position was given out twice: {before:?}"
        );
        count.fetch_add(1, Ordering::Relaxed);
        current = Some(stepid);
    }
    written
}

/// Listens with a socket that is dropped every few hundred milliseconds and reopened at the next
/// server, until the event at `end` arrives.
async fn listen(
    addresses: Arc<Vec<SocketAddr>>,
    number: usize,
    start: String,
    end: Arc<AtomicI64>,
) -> Vec<Value> {
    let (mut received, mut last) = (Vec::new(), start);
    for socket in number.. {
        // The last event may have arrived before its position was known.
        if position(&json!(last)) == end.load(Ordering::Relaxed) {
            break;
        }
        let patience = Duration::from_millis(100 + 37 * (socket as u64 % 9));
        let until = Instant::now() + patience;
        let address = addresses[socket % addresses.len()];
        // A stopped server accepts the connection and stays silent.
        let Ok(Some(mut ws)) = timeout_at(until, Ws::try_connect(address)).await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        if ws.try_subscribe(&after(&last)).await.is_none() {
            continue;
        }
        while let Ok(Some(mut message)) = timeout_at(until, ws.try_receive()).await {
            if message["type"] == "error" {
                let code = &message["payload"][0]["extensions"]["code"];
                assert_eq!(*code, "UNAVAILABLE", "{message:#}");
                break;
            }
            assert_eq!(message["type"], "next", "{message:#}");
            assert!(message["payload"].get("errors").is_none(), "{message:#}");
            let event = message["payload"]["data"]["stepEvents"].take();
            event["cursor"].as_str().unwrap().clone_into(&mut last);
            received.push(event);
            if position(&json!(last)) == end.load(Ordering::Relaxed) {
                return received;
            }
        }
    }
    received
}
