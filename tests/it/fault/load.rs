//! Load on builders, builds and steps, and the checker that compares what was acknowledged with
//! what was heard.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::writer::{Acknowledged, Written, write};
use crate::{
    feed::position,
    support::{TIMEOUT, client::Client, sql::Sql, ws::Ws},
};

/// What listeners ask of each event.
const EVENT: &str = "__typename cursor kind \
     ... on BuilderEvent { builder { builderid } } \
     ... on BuildEvent { build { buildid builderid stateString } } \
     ... on StepEvent { step { stepid buildid name stateString } }";

/// Writers and listeners on these servers, until stopped.
pub(super) struct Load {
    addresses: Arc<Vec<SocketAddr>>,
    build: i64,
    /// The cursor that the listeners start from.
    start: String,
    pub(super) stop: CancellationToken,
    /// How many updates were acknowledged.
    written: Arc<AtomicUsize>,
    /// The position at which listeners stop, once it is known.
    end: Arc<AtomicI64>,
    writers: Vec<JoinHandle<Written>>,
    listeners: Vec<JoinHandle<Vec<Value>>>,
}

/// An event, as it was heard or as the table holds it.
#[derive(Debug, PartialEq)]
pub(super) struct Heard {
    position: i64,
    pub(super) kind: String,
    noun: String,
    id: i64,
    /// The builder of a build, the build of a step.
    parent: Option<i64>,
    /// Of a step.
    pub(super) name: Option<String>,
    /// Of a build or step.
    state: Option<String>,
}

impl Load {
    /// Starts this many writers and listeners.
    pub(super) async fn start(addresses: &[SocketAddr], writers: usize, listeners: usize) -> Self {
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
                .push(tokio::spawn(write(addresses, i, stop, written)));
        }
        load
    }

    /// Waits until this many updates were acknowledged: fewer would prove little.
    pub(super) async fn reach(&self, updates: usize) {
        let reached = async {
            while self.written.load(Ordering::Relaxed) < updates {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(TIMEOUT, reached)
            .await
            .expect("hardly anything is acknowledged");
    }

    /// Stops the writers, ends all listeners with one more event, and compares everything. Returns
    /// what each listener has heard.
    pub(super) async fn finish(self, sql: &Sql) -> Vec<Heard> {
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
        let log: Vec<Heard> = event_log(sql, start, last).await;
        assert!(
            log.iter().map(|row| row.position).eq(start + 1..=last),
            "the feed has holes"
        );
        let mut heard = Vec::new();
        for listener in self.listeners {
            heard = listener.await.unwrap().iter().map(read_event).collect();
            assert!(
                heard.is_sorted_by(|a, b| a.position < b.position),
                "something is heard twice or out of order"
            );
            assert_eq!(heard, log);
        }
        check_acknowledged(&heard, &acknowledged, &refused);
        check_parents_first(&heard);
        check_rows(sql, &heard).await;
        heard
    }
}

/// Everything that was acknowledged was heard as it was written, and nothing that was refused.
fn check_acknowledged(heard: &[Heard], acknowledged: &Acknowledged, refused: &HashSet<String>) {
    let by_position: BTreeMap<i64, &Heard> = heard.iter().map(|row| (row.position, row)).collect();
    for (position, (noun, id, state)) in acknowledged {
        let row = by_position
            .get(position)
            .unwrap_or_else(|| panic!("{position} was acknowledged and not heard"));
        assert_eq!(
            (&row.noun, row.id, &row.state),
            (noun, *id, state),
            "{row:?}"
        );
    }
    for noun in ["Builder", "Build", "Step"] {
        let has_noun = |(of, ..): &&(String, i64, Option<String>)| of == noun;
        assert!(
            acknowledged.values().any(|w| has_noun(&w)),
            "no {noun} was written"
        );
    }
    for row in heard {
        let is_refused = row
            .state
            .as_ref()
            .is_some_and(|state| refused.contains(state));
        assert!(!is_refused, "refused, and heard: {row:?}");
    }
}

/// A build is heard after its builder, and a step after its build.
fn check_parents_first(heard: &[Heard]) {
    let added = |noun: &'static str| -> HashMap<i64, i64> {
        let added = heard
            .iter()
            .filter(|row| row.noun == noun && row.kind == "NEW");
        added.map(|row| (row.id, row.position)).collect()
    };
    let (builders, builds) = (added("Builder"), added("Build"));
    assert!(!builds.is_empty(), "no build was added");
    for row in heard {
        let parents = match row.noun.as_str() {
            "Build" => &builders,
            "Step" => &builds,
            _ => continue,
        };
        // Some parents are older than the start.
        if let Some(parent) = row.parent.and_then(|id| parents.get(&id)) {
            assert!(*parent < row.position, "{row:?} before its parent");
        }
    }
}

/// The last event of each build and step matches its row: no change went unreported.
async fn check_rows(sql: &Sql, heard: &[Heard]) {
    for (noun, table) in [("Build", "builds"), ("Step", "steps")] {
        let of_noun = heard.iter().filter(|row| row.noun == noun);
        let last: HashMap<i64, &Option<String>> = of_noun.map(|row| (row.id, &row.state)).collect();
        let rows = format!("SELECT json_array(id, state_string) AS json FROM {table} ORDER BY id");
        for row in sql.rows(&rows).await {
            if let Some(state) = last.get(&row[0].as_i64().unwrap()) {
                assert_eq!(json!(state), row[1], "{noun} {}", row[0]);
            }
        }
    }
}

fn read_event(event: &Value) -> Heard {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let typename = event["__typename"].as_str().unwrap();
    let noun = typename.strip_suffix("Event").unwrap();
    let (object, id, parent) = match noun {
        "Builder" => (&event["builder"], "builderid", ""),
        "Build" => (&event["build"], "buildid", "builderid"),
        _ => (&event["step"], "stepid", "buildid"),
    };
    Heard {
        position: position(&event["cursor"]),
        kind: text(&event["kind"]).unwrap(),
        noun: noun.to_owned(),
        id: object[id].as_i64().unwrap(),
        parent: object[parent].as_i64(),
        name: text(&object["name"]),
        state: text(&object["stateString"]),
    }
}

/// The events between two positions, as the table holds them.
async fn event_log(sql: &Sql, start: i64, last: i64) -> Vec<Heard> {
    let column = sql.position_column();
    let rows = sql
        .rows(&format!(
            "SELECT json_array({column}, kind, noun, builderid, buildid, stepid, name, state_string) AS json \
             FROM graphql_events WHERE {column} > {start} AND {column} <= {last} ORDER BY {column}"
        ))
        .await;
    let read = |row: Value| {
        let int = |n: usize| row[n].as_i64();
        let kind = match int(1).unwrap() {
            1 => "NEW",
            2 => "STARTED",
            3 => "UPDATED",
            _ => "FINISHED",
        };
        let (noun, id, parent) = match int(2).unwrap() {
            1 => ("Builder", int(3), None),
            2 => ("Build", int(4), int(3)),
            _ => ("Step", int(5), int(4)),
        };
        let text = |n: usize| row[n].as_str().map(str::to_owned);
        Heard {
            position: int(0).unwrap(),
            kind: kind.to_owned(),
            noun: noun.to_owned(),
            id: id.unwrap(),
            parent,
            name: text(6),
            state: text(7),
        }
    };
    rows.into_iter().map(read).collect()
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
        let field = format!("events(after: {last:?}) {{ {EVENT} }}");
        if ws.try_subscribe_to(&field).await.is_none() {
            continue;
        }
        let mut is_caught_up = false;
        while let Ok(Some(mut message)) = timeout_at(until, ws.try_receive()).await {
            if message["type"] == "error" {
                let code = &message["payload"][0]["extensions"]["code"];
                assert_eq!(*code, "UNAVAILABLE", "{message:#}");
                break;
            }
            assert_eq!(message["type"], "next", "{message:#}");
            assert!(message["payload"].get("errors").is_none(), "{message:#}");
            let event = message["payload"]["data"]["events"].take();
            event["cursor"].as_str().unwrap().clone_into(&mut last);
            if event["kind"] == "CAUGHT_UP" {
                assert!(!is_caught_up, "caught up twice");
                is_caught_up = true;
            } else {
                received.push(event);
            }
            if position(&json!(last)) == end.load(Ordering::Relaxed) {
                return received;
            }
        }
    }
    received
}
