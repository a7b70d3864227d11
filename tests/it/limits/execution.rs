//! Limits on a running operation: its time, the rows that it reads and the time of one statement. A
//! client that disconnects cancels its query.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use buildbot_graphql::testing::{Clock, OnStatement};
use serde_json::{Value, json};

use super::VALID;
use crate::{
    cli::run,
    support::{database::Database, server::Server, wait_until},
};

const BRIEF: [&str; 6] = [
    "--anonymous",
    "write",
    "--max-seconds",
    "2",
    "--statement-seconds",
    "1",
];

/// A server whose first statement with this text takes longer than any operation may.
async fn slow_at(part: &'static str) -> (Server, Arc<AtomicBool>) {
    let armed = Arc::new(AtomicBool::new(false));
    let watched = armed.clone();
    let watch: OnStatement = Box::new(move |sql| {
        if sql.contains(part) && watched.swap(false, Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(2_500));
        }
    });
    (
        Server::build(&BRIEF, None, Clock::System, Some(watch)).await,
        armed,
    )
}

fn is_late(error: &Value) -> bool {
    let extensions = &error["extensions"];
    extensions["code"] == "LIMIT_EXCEEDED"
        && extensions["limit"] == "max-seconds"
        && extensions["max"] == 2
        && error["message"]
            .as_str()
            .unwrap()
            .starts_with("max-seconds is 2")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_fails_at_its_deadline() {
    let (server, armed) = slow_at("builds").await;
    let client = server.client();
    client.add_build("b").await;
    armed.store(true, Ordering::SeqCst);
    let response = client.execute(VALID, json!({})).await;
    assert!(response.get("data").is_none(), "{response:#}");
    assert_eq!(response["errors"].as_array().unwrap().len(), 1);
    assert!(is_late(&response["errors"][0]), "{response:#}");
    client.data(VALID, json!({})).await;

    armed.store(true, Ordering::SeqCst);
    let path = "api/v2/builders/b/builds/1/steps";
    let url = format!("http://{}/{path}", server.address);
    let response = reqwest::get(&url).await.unwrap();
    assert_eq!(response.status(), 503);
    let text = response.text().await.unwrap();
    assert!(text.contains("max-seconds is 2"), "{text}");
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);
}

/// The response reports the writes before the deadline, and nothing starts after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_starts_nothing_after_its_deadline() {
    let (server, armed) = slow_at("UPDATE").await;
    let client = server.client();
    let build = client.add_build("b").await;
    armed.store(true, Ordering::SeqCst);
    let query = "mutation($b: Int!) {
        one: setBuildStateString(buildid: $b, stateString: \"one\") { build { stateString } }
        two: setBuildStateString(buildid: $b, stateString: \"two\") { build { stateString } }
    }";
    let response = client.execute(query, json!({ "b": build })).await;
    let errors = response["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{response:#}");
    // The first field was written; the second did not start.
    assert_eq!(
        response["data"],
        json!({ "one": { "build": { "stateString": "one" } }, "two": null })
    );
    assert_eq!(errors[0]["path"], json!(["two"]));
    assert!(is_late(&errors[0]), "{response:#}");
    let read = "query($b: Int!) { build(buildid: $b) { stateString } }";
    let data = client.data(read, json!({ "b": build })).await;
    assert_eq!(data["build"]["stateString"], "one");
}

#[tokio::test]
async fn an_operation_may_read_a_limited_number_of_rows() {
    let statements = Arc::new(Mutex::new(Vec::new()));
    let log = statements.clone();
    let watch: OnStatement = Box::new(move |sql| log.lock().unwrap().push(sql.to_owned()));
    let flags = ["--anonymous", "write", "--max-rows", "12"];
    let server = Server::build(&flags, None, Clock::System, Some(watch)).await;
    let client = server.client();
    let build = client.add_build("b").await;
    for i in 0..11 {
        client.new_step(build, &format!("s{i}")).await;
    }
    let query = "query($b: Int!) { build(buildid: $b) { steps { name } } }";
    let data = client.data(query, json!({ "b": build })).await;
    assert_eq!(data["build"]["steps"].as_array().unwrap().len(), 11);

    for i in 0..51 {
        client.new_step(build, &format!("t{i}")).await;
    }
    statements.lock().unwrap().clear();
    let response = client.execute(query, json!({ "b": build })).await;
    let error = &response["errors"][0];
    assert_eq!(error["extensions"]["limit"], "max-rows", "{response:#}");
    // One row for the build leaves 11. The twelfth step of 62 shows that there are more; the rest
    // were not read.
    assert_eq!(error["extensions"]["asked"], 13, "{response:#}");
    assert_eq!(error["path"], json!(["build", "steps"]), "{response:#}");
    let statements = statements.lock().unwrap().join("\n");
    assert!(statements.contains("LIMIT"), "{statements}");
    // A page needs no extra row to know its end.
    let page = "query($b: Int!) { build(buildid: $b) { steps(limit: 11) { name } } }";
    client.data(page, json!({ "b": build })).await;
    let page = "{ steps(first: 12) { nodes { name } } }";
    client.data(page, json!({})).await;
    let page = "{ steps(first: 13) { nodes { name } } }";
    let (code, message) = client.error(page, json!({})).await;
    assert_eq!(code, "LIMIT_EXCEEDED");
    assert!(message.starts_with("max-rows is 12"), "{message}");
}

/// Each event of a subscription may read as much as a query.
#[tokio::test]
async fn each_event_of_a_stream_has_its_own_row_budget() {
    let server = Server::with_flags(&["--anonymous", "write", "--max-rows", "5"]).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let mut ws = server.ws().await;
    let query =
        "subscription { stepEvents(snapshot: true) { step { build { builder { name } } } } }";
    ws.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } }))
        .await;
    for i in 0..20 {
        client.new_step(build, &format!("s{i}")).await;
        let event = ws.event().await;
        assert_eq!(event["step"]["build"]["builder"]["name"], "b");
    }
}

#[tokio::test]
async fn a_slow_statement_is_cancelled() {
    // Far below the deadline, which must not be what ends it.
    let flags = ["--anonymous", "write", "--statement-seconds", "1"];
    let server = Server::with_flags(&flags).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let sql = server.sql().await;
    let long = "x".repeat(16_000);
    for chunk in 0..20 {
        let row = |i: usize| {
            let number = chunk * 100 + i;
            format!("({number}, 's{number}', {build}, '{long}', '[]', 0)")
        };
        let rows = (0..100).map(row).collect::<Vec<_>>().join(", ");
        sql.run(&format!(
            "INSERT INTO steps (number, name, buildid, state_string, urls_json, hidden) VALUES {rows}"
        ))
        .await;
    }
    // Two thousand rows of 16 KB, each searched three hundred times.
    let tests: Vec<Value> = (0..300)
        .map(|i| json!({ "stateString": { "contains": format!("xxxxxxxxxxxxxxx{i}") } }))
        .collect();
    let query = "query($w: StepFilter) { steps(where: $w) { totalCount } }";
    let variables = json!({ "w": { "or": tests } });
    for _ in 0..2 {
        let (code, _) = client.error(query, variables.clone()).await;
        assert_eq!(code, "UNAVAILABLE");
        client.data(VALID, json!({})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnecting_client_cancels_its_query() {
    let (held, gone) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let (armed, deeper) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let watch: OnStatement = {
        let (held, gone, armed, deeper) =
            (held.clone(), gone.clone(), armed.clone(), deeper.clone());
        Box::new(move |sql| {
            if sql.contains("steps") {
                deeper.fetch_add(1, Ordering::SeqCst);
            }
            // The first level lasts until its client has gone.
            if sql.contains("builds") && armed.swap(false, Ordering::SeqCst) {
                held.store(true, Ordering::SeqCst);
                // Moves this thread's other work to another thread.
                tokio::task::block_in_place(|| {
                    while !gone.load(Ordering::SeqCst) {
                        thread::sleep(Duration::from_millis(10));
                    }
                });
            }
        })
    };
    let server = Server::build(&["--anonymous", "write"], None, Clock::System, Some(watch)).await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "s").await;
    let query = "{ builds { nodes { steps { name } } } }";
    let before = deeper.load(Ordering::SeqCst);
    client.data(query, json!({})).await;
    assert!(
        deeper.load(Ordering::SeqCst) > before,
        "the second level is not seen"
    );

    armed.store(true, Ordering::SeqCst);
    let asking = tokio::spawn({
        let client = server.client();
        async move { client.try_execute(query, json!({})).await.is_ok() }
    });
    wait_until(async || held.load(Ordering::SeqCst)).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    // The connection is closed by now, or about to be.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = deeper.load(Ordering::SeqCst);
    gone.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        client.data("{ builders { totalCount } }", json!({})).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        deeper.load(Ordering::SeqCst),
        before,
        "nobody waits for the second level"
    );
}

/// A statement that outlives its operation would keep a connection for nobody.
#[tokio::test]
async fn a_statement_timeout_above_the_operations_is_refused() {
    for (statement, operation) in [("10", "10"), ("0", "10"), ("8", "5"), ("2", "1")] {
        let database = Database::fresh_file();
        let serve_flags = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--database-url",
            &database.url,
        ];
        let times = ["--statement-seconds", statement, "--max-seconds", operation];
        let (code, _, output) = run(&[&serve_flags[..], &times].concat()).await;
        assert_eq!(code, Some(2), "{output}");
        assert!(output.contains("--statement-seconds"), "{output}");
    }
    for flags in [["0", "0"], ["30", "0"], ["1", "2"], ["1", "1"]] {
        let [statement, operation] = flags;
        Server::with_flags(&["--statement-seconds", statement, "--max-seconds", operation]).await;
    }
}
