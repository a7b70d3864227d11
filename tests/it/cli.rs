//! The real binary: its output, its environment variables, its commands, and how it exits.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    time::timeout,
};

use crate::support::{
    TIMEOUT,
    client::Client,
    database::{Database, Kind, kind},
    process::{Process, command},
    sql::Sql,
    ws::Ws,
};

mod arguments;
mod check;
mod config_file;
mod listen;
mod man_pages;
mod ops_listen;
mod secrets;
mod shutdown;
mod start_log;
mod startup_errors;
mod url_file;

/// A temporary folder, a file in it, and that file's database URL.
fn temporary_database() -> (TempDir, PathBuf, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("steps.sqlite");
    let url = url(&file);
    (dir, file, url)
}

fn url(file: &Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}

/// Runs a command to its end: its exit code, stdout and stderr.
pub(crate) async fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let running = command().args(args).output();
    let Output {
        status,
        stdout,
        stderr,
    } = timeout(TIMEOUT, running)
        .await
        .expect("it does not end")
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// Starts `serve` with this environment and these flags, and returns what it printed when it was
/// up.
async fn serve(environment: &[(&str, &str)], args: &[&str], dir: &Path) -> (Child, Vec<String>) {
    let mut child = command()
        .arg("serve")
        .args(args)
        .envs(environment.iter().copied())
        .current_dir(dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut printed = Vec::new();
    let all = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            printed.push(line);
            // The example is printed last.
            if printed.last().unwrap().contains("-d '") {
                return;
            }
        }
        panic!("it ended before it had come up: {printed:#?}");
    };
    timeout(TIMEOUT, all).await.unwrap();
    (child, printed)
}

/// The URL that is printed after this word.
fn printed_url(printed: &[String], word: &str) -> String {
    let line = printed
        .iter()
        .find(|line| line.trim_start().starts_with(word))
        .unwrap();
    line.split_whitespace()
        .find(|part| part.starts_with("http://"))
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn serve_prints_its_urls_and_a_working_example() {
    let dir = tempfile::tempdir().unwrap();
    let (_child, printed) = serve(&[], &["--listen", "127.0.0.1:0"], dir.path()).await;
    let http = reqwest::Client::new();
    assert!(printed[1].trim_start().starts_with("page"), "{printed:#?}");
    for (word, path) in [
        ("page", "/"),
        ("GraphiQL", "/graphiql"),
        ("health", "/healthz"),
    ] {
        let url = printed_url(&printed, word);
        assert!(url.ends_with(path), "{url}");
        assert_eq!(http.get(url).send().await.unwrap().status(), 200);
    }
    // Splits the example as a shell would: its URL, its header and its body.
    let curl = printed.iter().find(|line| line.contains("curl")).unwrap();
    assert!(
        curl.contains(&printed_url(&printed, "GraphQL"))
            && curl.contains("Content-Type: application/json")
    );
    let body = printed
        .last()
        .unwrap()
        .split('\'')
        .nth(1)
        .unwrap()
        .to_owned();
    let request = http
        .post(printed_url(&printed, "GraphQL"))
        .header("content-type", "application/json")
        .body(body);
    let response: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(response, json!({ "data": { "builds": { "nodes": [] } } }));
    // The default database is a file in the working folder.
    assert!(dir.path().join("buildbot-graphql.sqlite").is_file());
}

#[tokio::test]
async fn every_flag_can_be_a_variable() {
    let (database, dir) = (Database::fresh().await, tempfile::tempdir().unwrap());
    let environment = [
        ("BUILDBOT_GRAPHQL_DATABASE_URL", &*database.url),
        ("BUILDBOT_GRAPHQL_LISTEN", "127.0.0.1:0"),
        ("BUILDBOT_GRAPHQL_ANONYMOUS", "write"),
    ];
    let (_child, printed) = serve(&environment, &[], dir.path()).await;
    let address = printed_url(&printed, "GraphQL")
        .replace("http://", "")
        .replace("/graphql", "");
    Client::new(address.parse().unwrap()).add_build("b").await;
    assert_eq!(
        Sql::open(&database)
            .await
            .number("SELECT COUNT(*) AS n FROM builds")
            .await,
        1
    );

    // A flag wins over its variable.
    let (_child, printed) = serve(&environment, &["--anonymous", "none"], dir.path()).await;
    let address = printed_url(&printed, "GraphQL")
        .replace("http://", "")
        .replace("/graphql", "");
    let refused = Client::new(address.parse().unwrap())
        .error("{ __typename }", json!({}))
        .await;
    assert_eq!(refused.0, "UNAUTHENTICATED");
}

#[tokio::test]
async fn migrate_updates_the_schema_once() {
    let database = Database::fresh().await;
    let flags = ["--database-url", &database.url];
    let (code, stdout, stderr) = run(&["serve", "--no-migrate", flags[0], flags[1]]).await;
    assert_eq!((code, &*stdout), (Some(1), ""));
    assert!(
        stderr.contains("--no-migrate") && stderr.contains("m0001") && stderr.contains("migrate"),
        "{stderr}"
    );

    let (code, stdout, stderr) = run(&["migrate", flags[0], flags[1]]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stdout.contains("m0001_builds_and_steps")
            && stdout.contains("m0002_step_events")
            && stdout.contains("m0003_tokens")
            && stdout.contains("m0004_idempotency_keys")
            && stdout.contains("m0005_token_expiry"),
        "{stdout}"
    );
    let (code, stdout, _) = run(&["migrate", flags[0], flags[1]]).await;
    assert_eq!((code, &*stdout), (Some(0), "The schema is up to date.\n"));
    let server = Process::start(&database, &["--no-migrate"]).await;
    Client::new(server.address).add_build("b").await;
}

#[tokio::test]
async fn schema_prints_the_schema() {
    let (code, stdout, stderr) = run(&["schema"]).await;
    let file =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql")).unwrap();
    assert_eq!((code, &*stdout, &*stderr), (Some(0), &*file, ""));
}

#[tokio::test]
async fn two_servers_starting_at_once_create_one_database() {
    for _ in 0..3 {
        let database = Database::fresh().await;
        let (one, two) = tokio::join!(
            Process::start(&database, &[]),
            Process::start(&database, &[])
        );
        let build = Client::new(one.address).add_build("b").await;
        let (step, _) = Client::new(two.address).new_step(build, "s").await;
        assert_eq!((build, step), (1, 1));
        let applied = Sql::open(&database)
            .await
            .number("SELECT COUNT(*) AS n FROM graphql_migrations")
            .await;
        assert_eq!(applied, 7);
    }
}

/// MariaDB commits at each schema change: what a migration made stays when it is interrupted.
#[tokio::test]
async fn an_interrupted_migration_is_resumed() {
    if kind() != Kind::Mariadb {
        return;
    }
    let database = Database::fresh().await;
    let migrate = ["migrate", "--database-url", &database.url];
    assert_eq!(run(&migrate).await.0, Some(0));
    let sql = Sql::open(&database).await;
    sql.run("DELETE FROM graphql_migrations; DROP TRIGGER graphql_steps_update; DROP INDEX steps_started_at ON steps")
        .await;
    let (code, stdout, _) = run(&migrate).await;
    assert_eq!(code, Some(0), "{stdout}");
    assert!(
        stdout.contains("m0001") && stdout.contains("m0002"),
        "{stdout}"
    );
    let server = Process::start(&database, &["--no-migrate"]).await;
    let client = Client::new(server.address);
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    client.set_state(step, "heard").await;
}

#[tokio::test]
async fn the_demo_has_a_history_and_continues() {
    let database = Database::fresh().await;
    let server = Process::start(&database, &["--demo"]).await;
    let client = Client::new(server.address);
    let query = "{ builders(first: 15) { nodes { name builds(first: 20, where: { complete: true }) { nodes {
        results completeAt locksDurationS steps { name complete results urls { url } durationS hidden }
    } } } } }";
    let first = client.data(query, json!({})).await;
    let builders = first["builders"]["nodes"].as_array().unwrap();
    assert!(builders.len() >= 3, "{first:#}");
    let of = |value: &Value, key: &str| value[key].as_array().unwrap().clone();
    let builds: Vec<Value> = builders
        .iter()
        .flat_map(|b| of(&b["builds"], "nodes"))
        .collect();
    assert!(
        builders
            .iter()
            .all(|b| of(&b["builds"], "nodes").len() >= 3),
        "{first:#}"
    );
    let steps: Vec<Value> = builds.iter().flat_map(|b| of(b, "steps")).collect();
    assert!(
        builds
            .iter()
            .all(|b| !b["results"].is_null() && !of(b, "steps").is_empty()),
        "{first:#}"
    );
    assert!(steps.iter().all(|s| s["complete"] == true), "{first:#}");
    assert!(
        steps.iter().any(|s| !of(s, "urls").is_empty()),
        "there is no link"
    );
    assert!(
        steps.iter().any(|s| s["hidden"] == true),
        "nothing is hidden"
    );
    assert!(
        steps.iter().any(|s| s["results"] != "SUCCESS"),
        "nothing ever fails"
    );
    assert!(
        builds.iter().any(|b| b["locksDurationS"] != 0),
        "nothing waits"
    );

    let mut ws = Ws::connect(server.address).await;
    ws.subscribe("").await;
    for _ in 0..3 {
        assert!(
            ["NEW", "STARTED", "UPDATED", "FINISHED"]
                .contains(&ws.event().await["kind"].as_str().unwrap())
        );
    }

    // Killed and restarted, the demo continues with its data. Steps that ran have ended with RETRY.
    let running = client
        .data(
            "{ builds(where: { complete: false }) { nodes { buildid } } }",
            json!({}),
        )
        .await;
    let running = &running["builds"]["nodes"][0]["buildid"];
    server.kill().await;
    let server = Process::start(&database, &["--demo"]).await;
    let client = Client::new(server.address);
    let left = client.data("query($b: Int!) { build(buildid: $b) { results steps { complete } } builders { totalCount } }", json!({ "b": running })).await;
    assert_eq!(left["build"]["results"], "RETRY");
    assert!(
        of(&left["build"], "steps")
            .iter()
            .all(|s| s["complete"] == true),
        "{left:#}"
    );
    assert_eq!(left["builders"]["totalCount"], builders.len());
}

#[tokio::test]
async fn serve_stops_within_seconds() {
    for signal in ["TERM", "INT"] {
        let database = Database::fresh().await;
        let mut server = Process::start(&database, &[]).await;
        Client::new(server.address).add_build("b").await;
        server.signal(signal).await;
        let status = server.exit_status(Duration::from_secs(10)).await;
        assert_eq!(status.code(), Some(0), "{signal}: {status}");
    }
}
