//! Random readers and writers on two servers and a foreign program, while the feed is held up and
//! servers are killed. Each object's text is a number that only grows, so whoever was told of one
//! may never read a lower one on that server.

use std::{
    collections::HashMap,
    mem,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    fault::{free_address, serve},
    feed::position,
    observability::metrics::samples,
    support::{
        TIMEOUT,
        client::Client,
        database::{Database, Kind, kind},
        sql::Sql,
        wait_until,
        ws::Ws,
    },
};

/// The steps 1 to 4, of the builds 1 and 2.
const STEPS: i64 = 4;
const BUILDS: i64 = 2;
const WRITES: i64 = 60;

/// A build or a step, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Object {
    Build(i64),
    Step(i64),
}

/// What was read of an object in a request that also read the feed's position.
struct Reading {
    position: i64,
    object: Object,
    number: i64,
}

/// A server, and the least number of each object that it may still answer with.
struct Checked {
    address: SocketAddr,
    client: Client,
    told: Mutex<HashMap<Object, i64>>,
    readings: Mutex<Vec<Reading>>,
    requests: AtomicUsize,
}

impl Checked {
    fn new(address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            address,
            client: Client::new(address),
            told: Mutex::default(),
            readings: Mutex::default(),
            requests: AtomicUsize::new(0),
        })
    }

    fn tell(&self, object: Object, number: i64) {
        let mut told = self.told.lock();
        let least = told.entry(object).or_default();
        *least = number.max(*least);
    }

    /// The data of an operation; `None` if the server is killed meanwhile.
    async fn data(&self, query: &str) -> Option<Value> {
        let mut response = self.client.try_execute(query, json!({})).await.ok()?;
        assert!(response.get("errors").is_none(), "{query}\n{response:#}");
        Some(response["data"].take())
    }

    /// Asks for any build with its steps, or for single objects.
    async fn read(&self) {
        let cursor = if fastrand::bool() { "eventCursor" } else { "" };
        let (build, step) = (fastrand::i64(1..=BUILDS), fastrand::i64(1..=STEPS));
        let query = if fastrand::bool() {
            format!("{{ {cursor} build(buildid: {build}) {{ {BUILD} steps {{ {STEP} }} }} }}")
        } else {
            format!("{{ {cursor} step(stepid: {step}) {{ {STEP} build {{ {BUILD} }} }} }}")
        };
        self.check(&query).await;
    }

    /// Asks, and compares the answer with what was told before.
    async fn check(&self, query: &str) {
        let told = self.told.lock().clone();
        let Some(data) = self.data(query).await else {
            sleep(TIMEOUT / 1_000).await;
            return;
        };
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut read = Vec::new();
        find_objects(&data, &mut read);
        assert!(!read.is_empty(), "{data}");
        for (object, number) in read {
            let least = told.get(&object).copied().unwrap_or_default();
            assert!(
                number >= least,
                "{object:?} was {least} before: {query}\n{data}"
            );
            if !data["eventCursor"].is_null() {
                let position = position(&data["eventCursor"]);
                self.readings.lock().push(Reading {
                    position,
                    object,
                    number,
                });
            }
        }
    }
}

const BUILD: &str = "buildid stateString";
const STEP: &str = "stepid stateString";

/// Every object in an answer, and its number.
fn find_objects(value: &Value, found: &mut Vec<(Object, i64)>) {
    if let Some(text) = value["stateString"].as_str() {
        let object = match (value["buildid"].as_i64(), value["stepid"].as_i64()) {
            (Some(id), _) => Object::Build(id),
            (_, id) => Object::Step(id.unwrap()),
        };
        // As it was made, it has a word.
        found.push((object, text.parse().unwrap_or_default()));
    }
    let values: Vec<&Value> = match value {
        Value::Array(values) => values.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    };
    for value in values {
        find_objects(value, found);
    }
}

/// Counts an object up, by one of the servers or past them.
async fn write(object: Object, servers: [Arc<Checked>; 2], sql: Sql) {
    for number in 1..=WRITES {
        let writer = fastrand::usize(0..3);
        let Some(server) = servers.get(writer) else {
            let (table, id) = match object {
                Object::Build(id) => ("builds", id),
                Object::Step(id) => ("steps", id),
            };
            let update = format!("UPDATE {table} SET state_string = '{number}' WHERE id = {id}");
            // SQLite may say that it is busy.
            while !sql.try_run(&update).await {
                sleep(TIMEOUT / 4_000).await;
            }
            continue;
        };
        let update = match object {
            Object::Build(id) => format!("setBuildStateString(buildid: {id}, "),
            Object::Step(id) => format!("setStepStateString(stepid: {id}, "),
        };
        let update = format!("mutation {{ {update} stateString: \"{number}\") {{ cursor }} }}");
        while server.data(&update).await.is_none() {
            sleep(TIMEOUT / 1_000).await;
        }
        server.tell(object, number);
    }
}

/// Hears of changes on a server, over a new socket after a kill. Reads at once what has changed.
async fn listen(server: Arc<Checked>, stop: CancellationToken) {
    let events = format!(
        "events {{ ... on BuildEvent {{ build {{ {BUILD} }} }} \
         ... on StepEvent {{ step {{ {STEP} }} }} }}"
    );
    while !stop.is_cancelled() {
        let Some(mut ws) = Ws::try_connect(server.address).await else {
            sleep(TIMEOUT / 1_000).await;
            continue;
        };
        if ws.try_subscribe_to(&events).await.is_none() {
            continue;
        }
        while let Some(Some(message)) = stop.run_until_cancelled(ws.try_receive()).await {
            let mut heard = Vec::new();
            find_objects(&message["payload"]["data"], &mut heard);
            for (object, number) in heard {
                server.tell(object, number);
                let query = match object {
                    Object::Build(id) => format!("{{ build(buildid: {id}) {{ {BUILD} }} }}"),
                    Object::Step(id) => format!("{{ step(stepid: {id}) {{ {STEP} }} }}"),
                };
                server.check(&query).await;
            }
        }
    }
}

/// Holds the feed up now and then: positions on PostgreSQL and MariaDB, every write on SQLite.
async fn hold_up(sql: Sql, stop: CancellationToken) {
    let hold = match kind() {
        Kind::Sqlite => "BEGIN IMMEDIATE",
        Kind::Postgres | Kind::Mariadb => "BEGIN; SELECT position FROM graphql_feed FOR UPDATE",
    };
    while !stop.is_cancelled() {
        sleep(TIMEOUT / 50).await;
        if sql.try_run(hold).await {
            sleep(TIMEOUT / 200).await;
            sql.run("COMMIT").await;
        }
    }
}

/// Checks each reading against what the feed has up to its position.
async fn check_readings(sql: &Sql, readings: &[Reading]) {
    let column = sql.position_column();
    let events = sql
        .rows(&format!(
            "SELECT json_array({column}, stepid, buildid, state_string) AS json FROM graphql_events \
             WHERE state_string IS NOT NULL ORDER BY {column}"
        ))
        .await;
    let mut history: HashMap<Object, Vec<(i64, i64)>> = HashMap::new();
    for event in &events {
        let object = match event[1].as_i64() {
            Some(id) => Object::Step(id),
            None => Object::Build(event[2].as_i64().unwrap()),
        };
        let number = event[3].as_str().unwrap().parse().unwrap_or_default();
        let position = event[0].as_i64().unwrap();
        history.entry(object).or_default().push((position, number));
    }
    for Reading {
        position,
        object,
        number,
    } in readings
    {
        let events = &history[object];
        let behind = events.partition_point(|(at, _)| at <= position);
        let least = behind.checked_sub(1).map_or(0, |last| events[last].1);
        assert!(
            *number >= least,
            "{object:?} at {position}: {number}, not {least}"
        );
    }
}

/// What a run has asked, and how often the cache had it.
struct Checks {
    requests: usize,
    hits: f64,
}

async fn check(flags: &[&str]) -> Checks {
    let database = Database::fresh().await;
    let addresses = [free_address(), free_address()];
    let _first = serve(addresses[0], &database, flags).await;
    let client = Client::new(addresses[0]);
    for build in 1..=BUILDS {
        client.add_build("b").await;
        for step in 0..STEPS / BUILDS {
            client.new_step(build, &format!("s{step}")).await;
        }
    }
    let mut second = serve(addresses[1], &database, flags).await;
    let servers = addresses.map(Checked::new);
    let stop = CancellationToken::new();
    let (mut writers, mut others) = (JoinSet::new(), JoinSet::new());
    for checked in &servers {
        others.spawn(listen(checked.clone(), stop.clone()));
        for _ in 0..3 {
            let (checked, stop) = (checked.clone(), stop.clone());
            others.spawn(async move {
                while !stop.is_cancelled() {
                    checked.read().await;
                }
            });
        }
    }
    others.spawn(hold_up(Sql::open(&database).await, stop.clone()));
    let builds = (1..=BUILDS).map(Object::Build);
    for object in builds.chain((1..=STEPS).map(Object::Step)) {
        let sql = Sql::open(&database).await;
        writers.spawn(write(object, servers.clone(), sql));
    }
    for requests in [100, 200] {
        let has_asked = || servers[1].requests.load(Ordering::Relaxed) >= requests;
        wait_until(async || has_asked()).await;
        second.kill().await;
        second = serve(addresses[1], &database, flags).await;
    }
    // A panic of any task is the test's.
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    stop.cancel();
    while let Some(done) = others.join_next().await {
        done.unwrap();
    }
    let sql = Sql::open(&database).await;
    let mut checks = Checks {
        requests: 0,
        hits: 0.0,
    };
    for server in &servers {
        let readings = mem::take(&mut *server.readings.lock());
        check_readings(&sql, &readings).await;
        checks.requests += server.requests.load(Ordering::Relaxed);
        checks.hits += samples(&server.client).await["cache_hits_total"];
    }
    checks
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_older_than_told_with_a_cache() {
    let Checks { requests, hits } = check(&[]).await;
    eprintln!("{requests} requests, {hits} hits");
    assert!(hits > 0.0, "nothing was kept in {requests} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_older_than_told_without_a_cache() {
    let Checks { requests, hits } = check(&["--cache-bytes", "0"]).await;
    assert!(requests > 0 && hits <= 0.0, "{hits} hits");
}
