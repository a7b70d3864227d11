//! `backup`: a copy of one moment, taken during writes; what it refuses; and what a killed backup
//! leaves.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::json;
use tokio::time::timeout;

use crate::{
    attach::{master, run as attach},
    feed::{after, newest_cursor},
    support::{
        TIMEOUT,
        client::Client,
        database::{Database, on_sqlite},
        process::command,
        server::Server,
        sql::Sql,
        wait_until,
        ws::Ws,
    },
};

mod target;

const ONLY: &str = "the others have tools of their own";

/// Runs the command: its stdout on success, its stderr on failure.
async fn backup(url: &str, file: &Path) -> Result<String, String> {
    let mut command = command();
    command.args(["backup", "--database-url", url]).arg(file);
    let Output {
        status,
        stdout,
        stderr,
    } = timeout(TIMEOUT, command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if status.success() {
        Ok(text(stdout))
    } else {
        assert_eq!(status.code(), Some(1));
        Err(text(stderr))
    }
}

/// A temporary folder, and a path in it that does not exist.
fn target() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a copy's \"name\"%20?.sqlite");
    (dir, file)
}

fn names_in(dir: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| name(entry).into_string().unwrap())
        .collect()
}

/// Adds steps until stopped. Each makes an event, and the build's state string holds their number.
async fn write(client: Client, build: i64, written: &AtomicU64, stop: &tokio::sync::Notify) {
    let work = async {
        loop {
            client.new_step(build, "s").await;
            written.fetch_add(1, Ordering::Relaxed);
        }
    };
    tokio::select! {
        () = work => {}
        () = stop.notified() => {}
    }
}

#[tokio::test]
async fn a_backup_during_writes_is_consistent_and_independent() {
    if !on_sqlite(ONLY) {
        return;
    }
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "first").await;
    let old = newest_cursor(&client).await;
    // A few megabytes, so that the copy takes a while.
    server
        .sql()
        .await
        .run(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) \
             INSERT INTO steps (number, name, buildid, state_string, urls_json, hidden) \
             SELECT 10000 + i, 'n' || i, 1, hex(zeroblob(500)), '[]', 0 FROM n",
        )
        .await;
    let (written, stop) = (AtomicU64::new(0), tokio::sync::Notify::new());
    let (dir, file) = target();
    let ((), (), said) = tokio::join!(
        write(client.clone(), build, &written, &stop),
        write(client.clone(), build, &written, &stop),
        async {
            while written.load(Ordering::Relaxed) < 20 {
                tokio::task::yield_now().await;
            }
            let said = backup(&server.database.url, &file).await;
            let then = written.load(Ordering::Relaxed);
            while written.load(Ordering::Relaxed) < then + 20 {
                tokio::task::yield_now().await;
            }
            stop.notify_waiters();
            said
        }
    );
    let said = said.unwrap();
    assert!(said.contains("CURSOR_EXPIRED"), "{said}");
    assert_eq!(
        names_in(dir.path()),
        [file.file_name().unwrap().to_str().unwrap()]
    );

    // A name that a URL must escape.
    let plain = dir.path().join("plain.sqlite");
    fs::rename(&file, &plain).unwrap();
    let copy = Database::at(&plain);
    let sql = Sql::open(&copy).await;
    let whole = sql
        .rows("SELECT json_array(integrity_check) AS json FROM pragma_integrity_check")
        .await;
    assert_eq!(whole, [json!(["ok"])]);
    let here = sql.number("SELECT COUNT(*) AS n FROM steps").await;
    let events = sql
        .number(
            "SELECT COUNT(DISTINCT stepid) AS n FROM graphql_events WHERE noun = 4 AND kind = 1",
        )
        .await;
    assert_eq!(here, events, "a step without its event, or the other way");
    let foreign = sql
        .rows("SELECT json_array(\"table\") AS json FROM pragma_foreign_key_check")
        .await;
    assert!(foreign.is_empty(), "{foreign:?}");
    assert!((5_021..5_021 + 1_000_000).contains(&here), "{here}");

    // The copy can be served, and refuses a cursor of the original.
    let restored = Server::over_copy_of(&plain, &["--anonymous", "write"]).await;
    let total = restored
        .client()
        .data("{ steps { totalCount } }", json!({}))
        .await;
    assert_eq!(total["steps"]["totalCount"], here);
    let mut ws = Ws::connect(restored.address).await;
    ws.subscribe(&after(&old)).await;
    assert_eq!(ws.stream_error().await.0, "CURSOR_EXPIRED");
    let mut ws = Ws::connect(restored.address).await;
    let start = newest_cursor(&restored.client()).await;
    ws.subscribe(&after(&start)).await;
    let (_, cursor) = restored.client().new_step(build, "restored").await;
    assert_eq!(ws.event().await["cursor"], cursor.as_str());
    // The original is unchanged.
    let mut ws = server.ws().await;
    ws.subscribe(&after(&old)).await;
    ws.event().await;
}

#[tokio::test]
async fn an_unsafe_backup_is_refused() {
    let (dir, file) = target();
    for (url, tool) in [
        ("postgres://u:hunter2@127.0.0.1:1/steps", "pg_dump"),
        ("mysql://u:hunter2@127.0.0.1:1/steps", "mariadb-dump"),
    ] {
        let said = backup(url, &file).await.unwrap_err();
        assert!(said.contains(tool) && !said.contains("hunter2"), "{said}");
    }
    let none = dir.path().join("none.sqlite");
    for url in [
        format!("sqlite://{}", none.display()),
        format!("sqlite://{}?mode=rwc", none.display()),
    ] {
        let said = backup(&url, &file).await.unwrap_err();
        assert!(said.contains("none.sqlite"), "{said}");
    }
    assert_eq!(names_in(dir.path()), Vec::<String>::new());

    if !on_sqlite(ONLY) {
        return;
    }
    let server = Server::start().await;
    let url = &server.database.url;
    let missing = dir.path().join("no/folder/copy.sqlite");
    let said = backup(url, &missing).await.unwrap_err();
    assert!(said.contains("No such file or directory"), "{said}");

    fs::write(&file, "mine").unwrap();
    let said = backup(url, &file).await.unwrap_err();
    assert!(said.contains("already"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(names_in(dir.path()).len(), 1);
    // A database is not copied over itself.
    let said = backup(url, server.database.file()).await.unwrap_err();
    assert!(said.contains("already"), "{said}");

    let others = dir.path().join("others.sqlite");
    let other = Sql::open(&Database::at(
        &File::create(&others).map(|_| others).unwrap(),
    ))
    .await;
    other.run("CREATE TABLE theirs (id INTEGER)").await;
    let others = format!("sqlite://{}", dir.path().join("others.sqlite").display());
    let said = backup(&others, &dir.path().join("c")).await.unwrap_err();
    assert!(said.contains("theirs"), "{said}");
}

#[tokio::test]
async fn a_backup_of_a_masters_database_changes_only_its_feed_id() {
    if !on_sqlite(ONLY) {
        return;
    }
    let (database, sql) = master().await;
    let (_dir, file) = target();
    let said = backup(&database.url, &file).await.unwrap();
    assert!(said.contains("no change feed"), "{said}");
    fs::remove_file(&file).unwrap();
    attach("attach", &database).await.unwrap();
    let said = backup(&database.url, &file).await.unwrap();
    let plain = file.with_file_name("plain.sqlite");
    fs::rename(&file, &plain).unwrap();
    let copy = Sql::open(&Database::at(&plain)).await;
    let epoch = "SELECT json_array(epoch) AS json FROM graphql_feed";
    let (old, new) = (sql.rows(epoch).await, copy.rows(epoch).await);
    assert_ne!(old, new);
    assert!(said.contains(new[0][0].as_str().unwrap()), "{said}");
    for all in [
        "SELECT json_array(type, name, sql) AS json FROM sqlite_master ORDER BY type, name",
        "SELECT json_array(version_num) AS json FROM alembic_version",
        "SELECT json_array(id, number, name, buildid, started_at, complete_at, state_string, results, urls_json, hidden) \
         AS json FROM steps ORDER BY id",
    ] {
        assert_eq!(sql.rows(all).await, copy.rows(all).await, "{all}");
    }
    // Without a write-ahead log the master would wait for the whole copy.
    sql.run("PRAGMA journal_mode = DELETE").await;
    let said = backup(&database.url, &plain.with_file_name("c"))
        .await
        .unwrap_err();
    assert!(said.contains("write-ahead log"), "{said}");
}

#[tokio::test]
async fn a_stopped_backup_leaves_nothing() {
    if !on_sqlite(ONLY) {
        return;
    }
    let server = Server::start().await;
    let sql = server.sql().await;
    server.client().add_build("b").await;
    // So much that a signal comes before it is copied.
    sql.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) \
         INSERT INTO steps (number, name, buildid, state_string, urls_json, hidden) \
         SELECT i, 'n' || i, 1, hex(zeroblob(10000)), '[]', 0 FROM n",
    )
    .await;
    for signal in ["TERM", "INT"] {
        let (dir, file) = target();
        let mut copying = command();
        copying.args(["backup", "--database-url", &server.database.url]);
        let child = copying.arg(&file).stderr(Stdio::piped()).spawn().unwrap();
        let pid = child.id().unwrap().to_string();
        wait_until(async || !names_in(dir.path()).is_empty()).await;
        let signal_name = format!("-{signal}");
        let kill = Command::new("kill").args([&signal_name, &pid]).status();
        assert!(kill.unwrap().success());
        let done = timeout(TIMEOUT, child.wait_with_output()).await.unwrap();
        let Output { status, stderr, .. } = done.unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{signal}: {said}");
        assert!(said.contains("stopped by a signal"), "{said}");
        assert_eq!(names_in(dir.path()), [""; 0]);
    }
}
