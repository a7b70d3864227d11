//! A database of ours that cannot, or must not, be written to: queries, no mutations.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use serde_json::json;

use super::{ADD, COUNT, beside, bound_command, count, master_file, ready};
use crate::{
    cli::run,
    feed::newest_cursor,
    support::{
        TIMEOUT, client::Client, database::Database, process::Process, server::Server, sql::Sql,
        wait_until,
    },
};

/// A database with one builder, which nobody has open.
async fn closed(database: &Database) -> String {
    let mut server = Process::start(database, &[]).await;
    let client = Client::new(server.address);
    client.add_build("b").await;
    let cursor = newest_cursor(&client).await;
    server.signal("TERM").await;
    server.exit_status(TIMEOUT).await;
    cursor
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A server without root's rights over this database.
async fn bound(database: &Database) -> Process {
    let mut command = bound_command().await;
    command.args(["serve", "--listen", "127.0.0.1:0", "--anonymous", "write"]);
    command.args(["--database-url", &database.url]);
    Process::spawn(&mut command).await
}

/// Checks that queries are served and mutations refused for a reason with this word.
async fn serves_read_only(client: &Client, word: &str) {
    assert_eq!(count(client).await, 1);
    newest_cursor(client).await;
    let (code, message) = client.error(ADD, json!({})).await;
    assert_eq!(code, "READ_ONLY", "{message}");
    assert!(message.contains(word), "{message}");
    let url = client.url.replace("/graphql", "");
    let ready = reqwest::get(format!("{url}/readyz")).await.unwrap();
    assert_eq!(ready.status(), 200);
    let body: serde_json::Value = ready.json().await.unwrap();
    let writable = body["writable"].as_str().unwrap();
    assert!(
        writable.starts_with("read-only") && writable.contains(word),
        "{body}"
    );
    assert_eq!(
        (&body["database"], &body["feed"]),
        (&"ok".into(), &"ok".into())
    );
}

#[tokio::test]
async fn a_file_without_the_right_to_write_is_served_read_only() {
    let database = Database::fresh_file();
    let cursor = closed(&database).await;
    set_mode(database.file(), 0o444);
    let before = fs::read(database.file()).unwrap();
    let process = bound(&database).await;
    let client = Client::new(process.address);
    serves_read_only(&client, "file").await;
    assert_eq!(newest_cursor(&client).await, cursor);
    assert!(fs::read(database.file()).unwrap() == before);
}

#[tokio::test]
async fn a_closed_directory_is_served_until_somebody_writes() {
    let database = Database::fresh_file();
    closed(&database).await;
    let folder = database.file().parent().unwrap();
    set_mode(folder, 0o555);
    let process = bound(&database).await;
    let client = Client::new(process.address);
    serves_read_only(&client, "directory").await;
    // SQLite cannot read this file beside a writer, so it is not read any longer.
    set_mode(folder, 0o755);
    let sql = Sql::open(&database).await;
    sql.run("UPDATE builders SET name = 'c'").await;
    wait_until(async || ready(process.address).await.0 == 503).await;
    assert_eq!(client.error(COUNT, json!({})).await.0, "UNAVAILABLE");
}

#[tokio::test]
async fn a_closed_directory_that_others_write_to_is_read_live() {
    let database = Database::fresh_file();
    let writer = Process::start(&database, &[]).await;
    let writer = (Client::new(writer.address), writer);
    let build = writer.0.add_build("b").await;
    let folder = database.file().parent().unwrap();
    set_mode(folder, 0o555);
    let process = bound(&database).await;
    let client = Client::new(process.address);
    serves_read_only(&client, "directory").await;
    let (_, cursor) = writer.0.new_step(build, "s").await;
    assert_eq!(newest_cursor(&client).await, cursor);
    set_mode(folder, 0o755);
}

#[tokio::test]
async fn a_file_that_is_behind_is_refused() {
    let database = Database::fresh_file();
    closed(&database).await;
    let sql = Sql::open(&database).await;
    sql.run("DELETE FROM graphql_migrations WHERE version = 'm0004_idempotency_keys'")
        .await;
    drop(sql);
    for command in ["serve", "migrate"] {
        let url = &*database.url;
        let arguments = [command, "--database-url", url, "--read-only"];
        let (code, _, log) = run(&arguments).await;
        assert_eq!(code, Some(1), "{log}");
        for word in ["m0004_idempotency_keys", "read-only", url] {
            assert!(log.contains(word), "{log}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_to_write_nothing_writes_nothing() {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    let flags = [
        "--anonymous",
        "write",
        "--read-only",
        "--feed-prune-seconds",
        "1",
        "--feed-keep-events",
        "1",
    ];
    let reader = server.peer(&flags).await;
    serves_read_only(&reader.client(), "--read-only").await;
    // It follows what others write, and drops none of it.
    let build = client.add_build("b").await;
    let start = newest_cursor(&reader.client()).await;
    for i in 0..5 {
        client.new_step(build, &format!("s{i}")).await;
    }
    let mut ws = reader.ws().await;
    ws.subscribe(&crate::feed::after(&start)).await;
    for i in 0..5 {
        assert_eq!(ws.event().await["step"]["name"], format!("s{i}"));
    }
    server.stop().await;
    serves_read_only(&reader.client(), "--read-only").await;
}

#[tokio::test]
async fn a_read_only_command_makes_and_changes_nothing() {
    let database = Database::fresh_file();
    let url = &*database.url;
    for command in [&["serve"][..], &["migrate"], &["token", "list"]] {
        let (code, _, log) =
            run(&[command, &["--read-only", "--database-url", url]].concat()).await;
        assert_eq!(code, Some(1), "{command:?}: {log}");
        assert!(log.contains("no such file"), "{command:?}: {log}");
        assert!(!database.file().exists());
    }
    let (code, _, log) = run(&["serve", "--demo", "--read-only", "--database-url", url]).await;
    assert_eq!(code, Some(2));
    assert!(log.contains("--demo and --read-only"), "{log}");
    closed(&database).await;
    let (_dir, master) = master_file();
    let master = format!("sqlite://{}", master.display());
    let commands = [
        (
            &["token", "create", "--name", "x", "--scope", "read"][..],
            url,
        ),
        (&["attach"], &*master),
    ];
    for (command, url) in commands {
        let (code, _, log) =
            run(&[command, &["--read-only", "--database-url", url]].concat()).await;
        assert_eq!(code, Some(1), "{command:?}: {log}");
        let words = ["read-only: the server was started with --read-only", url];
        assert!(words.iter().all(|word| log.contains(word)), "{log}");
        assert!(!log.contains("Custom Error"), "{log}");
    }
    assert!(!beside(database.file(), "-journal").exists());
}
