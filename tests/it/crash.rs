//! The server is killed while everybody writes and the subscriber keeps losing its socket: still each event once, in order.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{
    feed::{after, brief, log, now, position},
    support::{client::Client, process::Process, sql::Sql, ws::Ws},
};

/// A port to come back to after a kill. Not one of those that the system gives out: it could give it away meanwhile.
fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    (first..first + 1_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

/// Starts the server again, as soon as the port is free.
async fn restart(address: SocketAddr, file: &Path) -> Process {
    while TcpListener::bind(address).is_err() {
        sleep(Duration::from_millis(20)).await;
    }
    Process::listen(&address.to_string(), file, &[]).await
}

/// What the server said that it had written: by position the step and its state.
type Acknowledged = BTreeMap<i64, (i64, String)>;

/// A step of its own every few updates, through kills, until told to stop.
async fn write(client: Client, build: i64, name: String, stop: CancellationToken) -> Acknowledged {
    const SET: &str = "mutation($s: Int!, $t: String!) { \
         answer: setStepStateString(stepid: $s, stateString: $t) { cursor step { stepid stateString } } }";
    const ADD: &str = "mutation($b: Int!, $n: String!) { \
         answer: newStep(buildid: $b, name: $n) { cursor step { stepid stateString } } }";
    let mut acknowledged = Acknowledged::new();
    let mut current: Option<i64> = None;
    for i in 0.. {
        if stop.is_cancelled() {
            break;
        }
        if i % 10 == 0 {
            current = None;
        }
        let answer = match current {
            Some(stepid) => {
                let variables = json!({ "s": stepid, "t": format!("{name} {i}") });
                client.try_execute(SET, variables).await
            }
            None => {
                client
                    .try_execute(ADD, json!({ "b": build, "n": name }))
                    .await
            }
        };
        // Without an answer it may have happened or not.
        let Ok(answer) = answer else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        assert!(answer.get("errors").is_none(), "{answer:#}");
        let payload = &answer["data"]["answer"];
        let stepid = payload["step"]["stepid"].as_i64().unwrap();
        let state = payload["step"]["stateString"].as_str().unwrap().to_owned();
        let before = acknowledged.insert(position(&payload["cursor"]), (stepid, state));
        assert!(
            before.is_none(),
            "a position was given out twice: {before:?}"
        );
        current = Some(stepid);
    }
    acknowledged
}

/// Adds steps past the server, as another process would: their names.
async fn insert(file: PathBuf, build: i64, stop: CancellationToken) -> BTreeSet<String> {
    let sql = Sql::open(&file).await;
    let mut inserted = BTreeSet::new();
    for i in 0.. {
        if stop.is_cancelled() {
            break;
        }
        sql.run(&format!(
            "INSERT INTO steps (number, name, buildid, state_string, urls_json) \
             VALUES ({i}, 'direct-{i}', {build}, 'pending', '[]')"
        ))
        .await;
        inserted.insert(format!("direct-{i}"));
        sleep(Duration::from_millis(7)).await;
    }
    inserted
}

/// Listens with a socket that is dropped every few hundred milliseconds, until it has heard the event at `end`.
async fn listen(address: SocketAddr, start: String, end: Arc<AtomicI64>) -> (Vec<Value>, usize) {
    let (mut heard, mut sockets, mut last) = (Vec::new(), 0, start);
    loop {
        let until = Instant::now() + Duration::from_millis(100 + 37 * (sockets % 9));
        let Some(mut ws) = Ws::try_connect(address).await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        if ws.try_subscribe(&after(&last)).await.is_none() {
            continue;
        }
        sockets += 1;
        while let Ok(Some(mut message)) = timeout_at(until, ws.try_receive()).await {
            assert!(message["payload"].get("errors").is_none(), "{message:#}");
            assert_eq!(message["type"], "next", "{message:#}");
            let event = message["payload"]["data"]["stepEvents"].take();
            event["cursor"].as_str().unwrap().clone_into(&mut last);
            heard.push(event);
            if position(&json!(last)) == end.load(Ordering::Relaxed) {
                return (heard, usize::try_from(sockets).unwrap());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_update_is_heard_once_in_order() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("steps.sqlite");
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut process = restart(address, &file).await;
    let client = Client::new(address);
    let build = client.add_build("served").await;
    let direct = client.add_build("direct").await;
    let (_, start) = client.new_step(build, "start").await;

    let end = Arc::new(AtomicI64::new(-1));
    let listener = tokio::spawn(listen(address, start.clone(), end.clone()));
    let stop = CancellationToken::new();
    let writers: Vec<_> = (0..4)
        .map(|i| {
            tokio::spawn(write(
                Client::new(address),
                build,
                format!("w{i}"),
                stop.clone(),
            ))
        })
        .collect();
    let second = tokio::spawn(insert(file.clone(), direct, stop.clone()));
    for _ in 0..2 {
        sleep(Duration::from_millis(2_200)).await;
        process.kill().await;
        // Long enough for somebody to find nobody there.
        sleep(Duration::from_millis(150)).await;
        process = restart(address, &file).await;
    }
    sleep(Duration::from_millis(2_200)).await;
    stop.cancel();
    let mut acknowledged = Acknowledged::new();
    for writer in writers {
        for (position, what) in writer.await.unwrap() {
            let before = acknowledged.insert(position, what);
            assert!(before.is_none(), "two updates at {position}");
        }
    }
    let inserted = second.await.unwrap();
    let sql = Sql::open(&file).await;
    let newest = "SELECT MAX(id) AS n FROM graphql_step_events";
    // Nobody writes any more, and one more event ends the listening wherever it has come to by now.
    sql.run("UPDATE steps SET state_string = 'the end' WHERE id = 1")
        .await;
    end.store(sql.number(newest).await, Ordering::Relaxed);
    let (heard, sockets) = listener.await.unwrap();
    drop(process);

    let rows: Vec<Value> = heard.iter().map(brief).collect();
    let at = |row: &Value| row[0].as_i64().unwrap();
    assert!(
        rows.is_sorted_by(|a, b| at(a) < at(b)),
        "something is heard twice or out of order"
    );
    assert_eq!(rows, log(&sql, position(&json!(start))).await);
    let by_position: BTreeMap<i64, &Value> = rows.iter().map(|row| (at(row), row)).collect();
    for (position, (stepid, state)) in &acknowledged {
        let row = by_position
            .get(position)
            .unwrap_or_else(|| panic!("{position} was acknowledged and not heard"));
        assert_eq!((&row[2], &row[4]), (&json!(stepid), &json!(state)), "{row}");
    }
    let direct: Vec<&str> = rows
        .iter()
        .filter(|row| row[1] == "NEW")
        .filter_map(|row| row[3].as_str())
        .filter(|name| name.starts_with("direct-"))
        .collect();
    assert_eq!(direct.len(), inserted.len());
    assert_eq!(
        direct
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>(),
        inserted
    );
    // Else nothing of the above says anything.
    assert!(acknowledged.len() > 100, "{} updates", acknowledged.len());
    assert!(inserted.len() > 50, "{} inserts", inserted.len());
    assert!(sockets > 8, "{sockets} sockets");
}

#[tokio::test]
async fn a_kill_between_two_writes_loses_neither() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("steps.sqlite");
    let mut process = Process::start(&file, &[]).await;
    let build = Client::new(process.address).add_build("b").await;
    let start = now(&Client::new(process.address)).await;
    let mut written = Vec::new();
    let mut ws = Ws::connect(process.address).await;
    ws.subscribe(&after(&start)).await;
    for i in 0..4 {
        let client = Client::new(process.address);
        let (stepid, cursor) = client.new_step(build, &format!("s{i}")).await;
        // It may be dead before this is heard; the answer alone is the promise.
        written.extend([cursor, client.set_state(stepid, "busy").await]);
        process.kill().await;
        while ws.try_receive().await.is_some() {}
        process = Process::start(&file, &[]).await;
        ws = Ws::connect(process.address).await;
        ws.subscribe(&after(&start)).await;
        for cursor in &written {
            assert_eq!(ws.event().await["cursor"], cursor.as_str());
        }
    }
    let (_, live) = Client::new(process.address).new_step(build, "live").await;
    assert_eq!(ws.event().await["cursor"], live.as_str());
}
