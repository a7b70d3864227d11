//! What SQLite reads on the thread that asks: only what is short, and nothing that the answers
//! show. The other databases must give the same answers.

use buildbot_graphql::testing::Clock;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    client::Client,
    database::{Database, on_sqlite},
    process::Process,
    server::Server,
    sql::Sql,
};

/// More rows, and bytes of them, than are read on the thread that asks.
const BUILDS: usize = 500;
const STEPS: usize = 12;
const LONG: usize = 250;

const FLAGS: [&str; 6] = [
    "--anonymous",
    "write",
    "--max-cost",
    "10000000",
    "--max-values",
    "100000000",
];

/// Adds builds of a builder, with steps whose texts are long.
async fn seed(database: &Database, builderid: &Value) {
    let sql = Sql::open(database).await;
    let text = "x".repeat(LONG);
    let (mut builds, mut steps) = (Vec::new(), Vec::new());
    for n in 1..=BUILDS {
        let build = 1_000 + n;
        builds.push(format!("({build}, {n}, {builderid}, 1, 2, 0, '', 0)"));
        for step in 0..STEPS {
            steps.push(format!(
                "({step}, 's{step}', {build}, 1, 8, '{text}{n}', 0, '[]')"
            ));
        }
    }
    let builds = builds.join(",");
    sql.run(&format!(
        "INSERT INTO builds (id, number, builderid, started_at, complete_at, locks_duration_s, state_string, results) \
         VALUES {builds}"
    ))
    .await;
    let steps = steps.join(",");
    sql.run(&format!(
        "INSERT INTO steps (number, name, buildid, started_at, complete_at, state_string, results, urls_json) \
         VALUES {steps}"
    ))
    .await;
}

async fn builder(client: &Client) -> Value {
    let find = "mutation { findBuilder(name: \"b\") { builderid } }";
    client.data(find, json!({})).await["findBuilder"]["builderid"].take()
}

async fn seeded() -> Server {
    let server = Server::with_flags(&FLAGS).await;
    let id = builder(&server.client()).await;
    seed(&server.database, &id).await;
    server
}

#[tokio::test]
async fn long_answers_have_every_row_once() {
    let server = seeded().await;
    let query = "{ builder(name: \"b\") { builds(first: 500, orderBy: [{ field: NUMBER }]) { \
         nodes { number steps { number stateString } } } } }";
    // Twice: the second time it is known that the first took long.
    for _ in 0..2 {
        let data = server.client().data(query, json!({})).await;
        let steps = |n: usize| {
            let text = "x".repeat(LONG) + &n.to_string();
            let step = |step| json!({ "number": step, "stateString": text });
            (0..STEPS).map(step).collect::<Vec<_>>()
        };
        let builds = (1..=BUILDS).map(|n| json!({ "number": n, "steps": steps(n) }));
        let builds = json!(builds.collect::<Vec<_>>());
        assert!(data["builder"]["builds"]["nodes"] == builds);
    }
}

#[tokio::test]
async fn statistics_count_each_step_once() {
    let server = seeded().await;
    let query =
        "{ builder(name: \"b\") { stats(last: 500) { steps { name runs medianDurationS } } } }";
    for _ in 0..2 {
        let data = server.client().data(query, json!({})).await;
        let mut steps = data["builder"]["stats"]["steps"]
            .as_array()
            .unwrap()
            .clone();
        steps.sort_by_key(|step| {
            step["name"].as_str().unwrap()[1..]
                .parse::<usize>()
                .unwrap()
        });
        let step = |n| json!({ "name": format!("s{n}"), "runs": BUILDS, "medianDurationS": 7 });
        assert_eq!(steps, (0..STEPS).map(step).collect::<Vec<_>>());
    }
}

/// With a single thread, whatever runs on it keeps all others waiting.
#[tokio::test]
async fn a_long_statement_holds_nobody_up() {
    let database = Database::fresh().await;
    let flags = ["--log", "warn"];
    let threads = [("TOKIO_WORKER_THREADS", "1")];
    let (process, _log) = Process::logging(&database, &flags, &threads).await;
    let client = Client::new(process.address);
    let id = builder(&client).await;
    seed(&database, &id).await;
    let tests = (0..90).map(|n| json!({ "stateString": { "contains": format!("x{n}y") } }));
    let filter = json!({ "or": tests.collect::<Vec<_>>() });
    let slow = "query($f: StepFilter) { steps(first: 1, where: $f) { nodes { stepid } } }";
    let body = json!({ "query": slow, "variables": { "f": filter } });
    let slow = client.http.post(&client.url).json(&body).send();
    let slow = tokio::spawn(slow);
    let mut answered = 0;
    while !slow.is_finished() {
        client.data("{ __typename }", json!({})).await;
        answered += 1;
    }
    let body = slow.await.unwrap().unwrap().text().await.unwrap();
    // It may have run into its time limit.
    let is_run = body.contains("\"nodes\":[]") || body.contains("UNAVAILABLE");
    assert!(is_run, "{body}");
    assert!(answered > 10, "only {answered}");
}

#[tokio::test]
async fn a_row_of_a_file_that_is_gone_is_not_read() {
    if !on_sqlite("others have no such file") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("steps.sqlite");
    let flags = ["--anonymous", "write"];
    let server = Server::on(Database::at(&file), &flags, Clock::System, None).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let query = "query($b: Int!) { build(buildid: $b) { number } }";
    let ask = json!({ "b": build });
    let data = client.data(query, ask.clone()).await;
    assert_eq!(data["build"]["number"], 1);
    std::fs::rename(&file, dir.path().join("moved")).unwrap();
    // Notices it.
    client
        .error(
            "mutation { findBuilder(name: \"x\") { builderid } }",
            json!({}),
        )
        .await;
    let (code, message) = client.error(query, ask.clone()).await;
    assert_eq!(code, "UNAVAILABLE", "{message}");
    std::fs::rename(dir.path().join("moved"), &file).unwrap();
    crate::support::wait_until(async || {
        let body = json!({ "query": query, "variables": ask });
        let answer = client.http.post(&client.url).json(&body).send().await;
        let answer: Value = answer.unwrap().json().await.unwrap();
        answer["data"]["build"]["number"] == 1
    })
    .await;
}

#[tokio::test]
async fn a_server_that_stops_leaves_no_log_behind() {
    if !on_sqlite("others have no such file") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("steps.sqlite");
    let flags = ["--anonymous", "write"];
    let server = Server::on(Database::at(&file), &flags, Clock::System, None).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let query = "query($b: Int!) { build(buildid: $b) { number } }";
    client.data(query, json!({ "b": build })).await;
    let log = dir.path().join("steps.sqlite-wal");
    assert!(log.exists());
    server.stop().await;
    assert!(!log.exists() && file.exists());
}
