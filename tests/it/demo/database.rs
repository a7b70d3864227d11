//! Which databases the demo takes.

use std::path::Path;

use serde_json::{Value, json};

use super::stop;
use crate::{
    cli::run,
    support::{
        client::Client,
        database::Database,
        process::{Process, command},
        sql::Sql,
    },
};

/// Checks that the demo refuses the database and names the rule.
async fn refused(database: &Database) {
    let listen = ["serve", "--demo", "--listen", "127.0.0.1:0"];
    let flags = [&listen[..], &["--database-url", &database.url]].concat();
    let (code, stdout, stderr) = run(&flags).await;
    assert_eq!((code, &*stdout), (Some(1), ""), "{stderr}");
    let rule = "was not made by --demo";
    assert!(
        stderr.contains("--demo: ") && stderr.contains(rule),
        "{stderr}"
    );
}

/// Everything in our own database.
async fn contents(database: &Database) -> Vec<Value> {
    let sql = Sql::open(database).await;
    let mut rows = Vec::new();
    for (table, columns) in [
        ("builders", "id, name"),
        ("builds", "id, state_string, complete_at"),
        ("steps", "id, name, state_string, complete_at"),
        ("graphql_events", "id, stepid"),
        ("graphql_migrations", "version"),
    ] {
        let query = format!("SELECT json_array({columns}) AS json FROM {table}");
        rows.extend(sql.rows(&query).await);
    }
    rows
}

#[tokio::test]
async fn the_demo_refuses_what_it_did_not_make() {
    let database = Database::fresh().await;
    let server = Process::start(&database, &[]).await;
    // While it is served, and empty.
    refused(&database).await;
    let client = Client::new(server.address);
    let build = client.add_build("runtests-linux").await;
    client.new_step(build, "compile").await;
    refused(&database).await;
    stop(server, "TERM").await;
    let before = contents(&database).await;
    refused(&database).await;
    assert_eq!(contents(&database).await, before);
    let tables = Sql::open(&database).await;
    let mark = "SELECT COUNT(*) AS n FROM graphql_demo_runs";
    assert!(!tables.try_run(mark).await, "it was marked");
}

#[tokio::test]
async fn the_demo_refuses_a_masters_database() {
    let database = Database::fresh().await;
    if database.url.starts_with("sqlite:") {
        std::fs::File::create(database.file()).unwrap();
    }
    let sql = Sql::open(&database).await;
    sql.run("CREATE TABLE alembic_version (version_num varchar(32))")
        .await;
    sql.run("INSERT INTO alembic_version VALUES ('065')").await;
    refused(&database).await;
    let mark = "SELECT COUNT(*) AS n FROM graphql_demo_runs";
    assert!(!sql.try_run(mark).await, "it was marked");

    let live = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/live.sqlite");
    let copy = Database::copy_of(&live);
    refused(&copy).await;
    assert!(std::fs::read(copy.file()).unwrap() == std::fs::read(&live).unwrap());
}

#[tokio::test]
async fn the_demo_and_another_server_start_together() {
    for _ in 0..4 {
        let database = Database::fresh().await;
        let url = database.url.clone();
        let flags = [
            "serve",
            "--demo",
            "--listen",
            "127.0.0.1:0",
            "--database-url",
        ];
        let mut demo = command();
        demo.args(flags).arg(&url);
        demo.stdout(std::process::Stdio::null());
        let mut demo = demo.spawn().unwrap();
        let server = Process::start(&database, &[]).await;
        let client = Client::new(server.address);
        client.add_build("own").await;
        let query = "{ builders { nodes { name } } }";
        let names = || async { client.data(query, json!({})).await["builders"]["nodes"].clone() };
        let sql = Sql::open(&database).await;
        let is_marked = sql
            .try_run("SELECT COUNT(*) AS n FROM graphql_demo_runs")
            .await;
        if is_marked {
            crate::support::wait_until(async || names().await.as_array().unwrap().len() > 1).await;
            demo.kill().await.unwrap();
        } else {
            // Refused, whatever came first.
            assert_eq!(demo.wait().await.unwrap().code(), Some(1));
            assert_eq!(names().await, json!([{ "name": "own" }]));
        }
    }
}

/// The databases in a folder.
fn files(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".sqlite")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_demo_has_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let serve = |flags: &'static [&str]| {
        let mut command = command();
        command.current_dir(dir.path());
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(flags);
        command
    };
    let (own, demo) = ("buildbot-graphql.sqlite", "buildbot-graphql-demo.sqlite");
    let server = Process::spawn(&mut serve(&[])).await;
    stop(server, "TERM").await;
    assert_eq!(files(dir.path()), [own]);
    for _ in 0..2 {
        let server = Process::spawn(&mut serve(&["--demo"])).await;
        stop(server, "TERM").await;
        assert_eq!(files(dir.path()), [demo, own]);
    }
    // As a variable too, the demo's own file can be named, and no other.
    let variable = "BUILDBOT_GRAPHQL_DATABASE_URL";
    let mut refused = serve(&[]);
    refused.env("BUILDBOT_GRAPHQL_DEMO", "1");
    refused.env(variable, format!("sqlite://{own}?mode=rwc"));
    assert_eq!(refused.output().await.unwrap().status.code(), Some(1));
    let mut named = serve(&["--demo"]);
    named.env(variable, "sqlite://named.sqlite?mode=rwc");
    stop(Process::spawn(&mut named).await, "INT").await;
    assert_eq!(files(dir.path()).len(), 3);
}
