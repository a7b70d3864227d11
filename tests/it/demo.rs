//! `serve --demo`: its own database, which it never confuses with another, and the end of its
//! builds.

mod database;
mod standing;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::sleep,
};

use crate::support::{
    TIMEOUT, client::Client, database::Database, process::Process, sql::Sql, ws::Ws,
};

/// Stops a server and waits for its end.
pub(crate) async fn stop(mut server: Process, signal: &str) {
    server.signal(signal).await;
    let status = server.exit_status(TIMEOUT).await;
    assert_eq!(status.code(), Some(0), "{signal}: {status}");
}

/// What a server without the demo finds: builds that run, open steps of finished builds, and the
/// state strings of builds.
async fn left_in(database: &Database) -> (Vec<Value>, Vec<String>) {
    let server = Process::start(database, &[]).await;
    let query = "{ builds(last: 100) { nodes { complete stateString builder { name }
        steps(where: { complete: false }) { name } } } }";
    let data = Client::new(server.address).data(query, json!({})).await;
    let builds = data["builds"]["nodes"].as_array().unwrap().clone();
    let open = |build: &&Value| build["complete"] == false || build["steps"] != json!([]);
    let text = |build: &Value| build["stateString"].as_str().unwrap().to_owned();
    let running = builds.iter().filter(open).cloned().collect();
    stop(server, "TERM").await;
    (running, builds.iter().map(text).collect())
}

/// Waits until each of the demo's builders has a step that runs.
async fn until_all_run(server: &Process) {
    let query = "{ builders { nodes { builds(last: 1, where: { complete: false }) {
        nodes { steps(where: { complete: false }) { name } } } } } }";
    let client = Client::new(server.address);
    crate::support::wait_until(async || {
        let data = client.data(query, json!({})).await;
        let builders = data["builders"]["nodes"].as_array().unwrap();
        builders.iter().all(|builder| {
            let steps = builder.pointer("/builds/nodes/0/steps/0");
            steps.is_some()
        })
    })
    .await;
}

#[tokio::test]
async fn builds_end_with_the_server() {
    for signal in ["TERM", "INT"] {
        let database = Database::fresh().await;
        let server = Process::start(&database, &["--demo"]).await;
        until_all_run(&server).await;
        stop(server, signal).await;
        let (running, texts) = left_in(&database).await;
        assert_eq!(running, Vec::<Value>::new(), "{signal}");
        // Not all of them: a build may finish its last step at that very moment.
        assert!(
            texts.iter().any(|text| text.starts_with("retry")),
            "{texts:#?}"
        );
        assert!(
            texts
                .iter()
                .all(|text| text != "created" && text != "building"),
            "{texts:#?}"
        );
    }
}

#[tokio::test]
async fn a_killed_demo_leaves_nothing_running_and_others_builds_alone() {
    let database = Database::fresh().await;
    let server = Process::start(&database, &["--demo"]).await;
    let client = Client::new(server.address);
    let docs = "{ builder(name: \"docs\") { builderid } }";
    let docs = client.data(docs, json!({})).await["builder"]["builderid"].clone();
    let adding: Vec<_> = (0..100)
        .map(|i| format!("b{i}: addBuild(builderid: {docs}) {{ build {{ buildid }} }}"))
        .collect();
    let adding = format!("mutation {{ {} }}", adding.join(" "));
    // More than a page.
    for _ in 0..6 {
        client.data(&adding, json!({})).await;
    }
    let own = client.add_build("own").await;
    let (own_step, _) = client.new_step(own, "compile").await;
    server.kill().await;

    let server = Process::start(&database, &["--demo"]).await;
    let client = Client::new(server.address);
    let query = "query($own: Int!, $step: Int!) {
        own: build(buildid: $own) { complete } step(stepid: $step) { complete }
        docs: builder(name: \"docs\") {
            builds(where: { complete: false }) { totalCount }
            retried: builds(where: { stateString: { eq: \"retry\" } }) { totalCount }
        } }";
    let data = client
        .data(query, json!({ "own": own, "step": own_step }))
        .await;
    assert_eq!(data["own"]["complete"], false);
    assert_eq!(data["step"]["complete"], false);
    assert!(
        data["docs"]["builds"]["totalCount"].as_i64().unwrap() <= 1,
        "{data:#}"
    );
    assert!(
        data["docs"]["retried"]["totalCount"].as_i64().unwrap() >= 600,
        "{data:#}"
    );
    stop(server, "TERM").await;
    let (running, _) = left_in(&database).await;
    let names: Vec<_> = running.iter().map(|b| &b["builder"]["name"]).collect();
    assert_eq!(names, ["own"]);
}

#[tokio::test]
async fn a_second_demo_takes_over() {
    let database = Database::fresh().await;
    let first = Process::start(&database, &["--demo"]).await;
    let second = Process::start(&database, &["--demo"]).await;
    let client = Client::new(second.address);
    let query = "{ builds(last: 100, where: { complete: true }) {
        nodes { number steps(where: { complete: false }) { name } } } }";
    // The first goes on with none of its builds, which the second has ended.
    for _ in 0..10 {
        let data = client.data(query, json!({})).await;
        let builds = data["builds"]["nodes"].as_array().unwrap();
        let open = builds.iter().find(|build| build["steps"] != json!([]));
        assert_eq!(open, None);
        sleep(Duration::from_millis(300)).await;
    }
    stop(first, "TERM").await;
    until_all_run(&second).await;
    stop(second, "TERM").await;
    let (running, _) = left_in(&database).await;
    assert_eq!(running, Vec::<Value>::new());
}

/// A build that breaks off, as where another program holds the file, ends before the server does.
#[tokio::test]
async fn a_build_that_broke_off_ends_with_the_server() {
    let database = Database::fresh().await;
    let flags = ["--demo", "--busy-seconds", "1"];
    let (server, log) = Process::logging(&database, &flags, &[]).await;
    until_all_run(&server).await;
    let other = Sql::open(&database).await;
    other.block_writers().await;
    let mut lines = BufReader::new(log).lines();
    while !lines
        .next_line()
        .await
        .unwrap()
        .unwrap()
        .contains("broke off")
    {}
    other.run("ROLLBACK").await;
    stop(server, "TERM").await;
    let (running, _) = left_in(&database).await;
    assert_eq!(running, Vec::<Value>::new());
}

#[tokio::test]
async fn two_demos_start_together() {
    let database = Database::fresh().await;
    let start = || Process::start(&database, &["--demo"]);
    let (first, second) = tokio::join!(start(), start());
    let query = "{ builders { nodes { name } } }";
    for server in [&first, &second] {
        let data = Client::new(server.address).data(query, json!({})).await;
        assert_eq!(
            data["builders"]["nodes"].as_array().unwrap().len(),
            12,
            "{data:#}"
        );
    }
    stop(first, "TERM").await;
    stop(second, "TERM").await;
    let (running, _) = left_in(&database).await;
    assert_eq!(running, Vec::<Value>::new());
}

#[tokio::test]
async fn state_strings_count() {
    let database = Database::fresh().await;
    let server = Process::start(&database, &["--demo"]).await;
    let mut ws = Ws::connect(server.address).await;
    ws.subscribe("").await;
    loop {
        let event = ws.event().await;
        let text = event["step"]["stateString"].as_str().unwrap_or_default();
        let counted = text.strip_suffix(" of 130");
        if let Some(count) = counted.and_then(|text| text.strip_prefix("compiling ")) {
            assert!(count.parse::<u32>().unwrap() < 130, "{text}");
            if count != "0" {
                return;
            }
        }
    }
}

#[tokio::test]
async fn the_history_is_as_people_have_it() {
    let database = Database::fresh().await;
    let server = Process::start(&database, &["--demo"]).await;
    let client = Client::new(server.address);
    let query = "{ builders { nodes { name description tags builds(first: 5) {
        nodes { results stateString steps { results } } } } } }";
    let data = client.data(query, json!({})).await;
    let builders = data["builders"]["nodes"].as_array().unwrap();
    for builder in builders {
        assert!(builder["description"].is_string(), "{builder:#}");
        assert_ne!(builder["tags"], json!([]), "{builder:#}");
    }
    let results = |name: &str| -> Vec<String> {
        let builder = builders.iter().find(|b| b["name"] == name).unwrap();
        let builds = builder["builds"]["nodes"].as_array().unwrap();
        let text = |build: &Value| build["results"].as_str().unwrap().to_owned();
        builds.iter().map(text).collect()
    };
    let (good, bad) = ("SUCCESS", "FAILURE");
    assert_eq!(results("docs"), [good; 5]);
    assert_eq!(results("runtests-linux"), [good, good, bad, bad, good]);
    assert_eq!(results("runtests-windows"), [good, good, bad, bad, bad]);
    let failed = &builders[1]["builds"]["nodes"][2];
    assert_eq!(failed["stateString"], "failed compile (failure)");
    let steps: Vec<_> = failed["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["results"])
        .collect();
    assert_eq!(steps, [good, good, bad, "SKIPPED", good]);
}
