//! Databases that were restored, copied or moved: a cursor is good where the feed still has its
//! event, and has expired where another event has taken its position.

use std::{path::Path, process::Stdio};

use tokio::process::Command;

use crate::{
    feed::after,
    support::{
        client::Client,
        database::{Database, Kind, kind, on_sqlite},
        process::Process,
        server::Server,
        sql::Sql,
        ws::Ws,
    },
};

const FILE: &str = "a file is copied";

/// A step with one event before the copy is made, whose cursor is `early`.
struct Original {
    database: Database,
    process: Process,
    stepid: i64,
    early: String,
}

impl Original {
    async fn start() -> Self {
        let database = Database::fresh().await;
        let process = Process::start(&database, &[]).await;
        let client = Client::new(process.address);
        let build = client.add_build("b").await;
        let (stepid, early) = client.new_step(build, "s").await;
        Self {
            database,
            process,
            stepid,
            early,
        }
    }

    /// Makes three changes that the copy does not have; returns their cursors.
    async fn go_on(&self) -> Vec<String> {
        let client = Client::new(self.process.address);
        let mut cursors = Vec::new();
        for state in ["late 1", "late 2", "late 3"] {
            cursors.push(client.set_state(self.stepid, state).await);
        }
        cursors
    }

    /// Checks a restored copy: it goes past the cursors of `late`, which have expired, while
    /// `early` misses nothing.
    async fn check(&self, restored: &Database, late: &[String]) {
        let process = Process::start(restored, &[]).await;
        let client = Client::new(process.address);
        // They are ahead of the copy.
        for cursor in late {
            assert_eq!(refused(&process, cursor).await, "CURSOR_EXPIRED");
        }
        let mut written = Vec::new();
        for state in ["other 1", "other 2", "other 3", "other 4", "other 5"] {
            written.push(client.set_state(self.stepid, state).await);
        }
        for cursor in late {
            assert_eq!(refused(&process, cursor).await, "CURSOR_EXPIRED");
        }
        // Once from the memory of the server, once from the table.
        hear_all(&process, &self.early, &written).await;
        process.kill().await;
        let process = Process::start(restored, &[]).await;
        for cursor in late {
            assert_eq!(refused(&process, cursor).await, "CURSOR_EXPIRED");
        }
        hear_all(&process, &self.early, &written).await;
    }
}

async fn refused(process: &Process, cursor: &str) -> String {
    let mut ws = Ws::connect(process.address).await;
    ws.subscribe(&after(cursor)).await;
    ws.stream_error().await.0
}

async fn hear_all(process: &Process, from: &str, written: &[String]) {
    let mut ws = Ws::connect(process.address).await;
    ws.subscribe(&after(from)).await;
    for cursor in written {
        assert_eq!(ws.event().await["cursor"], cursor.as_str());
    }
}

#[tokio::test]
async fn a_file_copied_beside_or_over_the_original() {
    if !on_sqlite(FILE) {
        return;
    }
    let original = Original::start().await;
    let file = original.database.file();
    let copy = |name: &str| file.with_file_name(name);
    let sql = Sql::open(&original.database).await;
    let vacuumed = copy("vacuumed");
    sql.run(&format!("VACUUM INTO '{}'", vacuumed.display()))
        .await;
    let late = original.go_on().await;
    drop(sql);
    original.process.signal("TERM").await;
    // Its close folds the write-ahead log into the file.
    while copy("steps.sqlite-wal").exists() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let beside = copy("beside");
    std::fs::copy(&vacuumed, &beside).unwrap();
    original.check(&Database::at(&beside), &late).await;
    // Over the original, whose inode stays.
    std::fs::copy(&vacuumed, file).unwrap();
    original.check(&original.database, &late).await;
}

#[tokio::test]
async fn a_file_that_is_moved_or_copied_whole_keeps_its_cursors() {
    if !on_sqlite(FILE) {
        return;
    }
    let original = Original::start().await;
    let late = original.go_on().await;
    let file = original.database.file().to_owned();
    original.process.signal("TERM").await;
    while file.with_extension("sqlite-wal").exists() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let moved = file.with_file_name("moved");
    std::fs::rename(&file, &moved).unwrap();
    let copied = file.with_file_name("copied");
    std::fs::copy(&moved, &copied).unwrap();
    for file in [moved, copied] {
        let process = Process::start(&Database::at(&file), &[]).await;
        hear_all(&process, &original.early, &late).await;
        let newest = late.last().unwrap();
        let client = Client::new(process.address);
        let next = client.set_state(original.stepid, "next").await;
        hear_all(&process, newest, &[next]).await;
    }
}

/// Runs a program of the database server, such as `pg_dump`, on a dump in this file.
async fn run(program: &str, arguments: &[&str], input: Option<&Path>, output: Option<&Path>) {
    let program = match std::env::var_os("POSTGRES_BIN") {
        Some(bin) if kind() == Kind::Postgres => Path::new(&bin).join(program),
        _ => program.into(),
    };
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null());
    if let Some(input) = input {
        command.stdin(std::fs::File::open(input).unwrap());
    }
    if let Some(output) = output {
        command.stdout(std::fs::File::create(output).unwrap());
    }
    assert!(command.status().await.unwrap().success(), "{arguments:?}");
}

/// Writes a dump of a database, which drops what it is restored over.
async fn dump(database: &Database, to: &Path) {
    if kind() == Kind::Postgres {
        let options = ["--clean", "--if-exists", "--no-owner", &database.url];
        return run("pg_dump", &options, None, Some(to)).await;
    }
    let url = url::Url::parse(&database.url).unwrap();
    let port = format!("--port={}", url.port().unwrap());
    let name = url.path().trim_start_matches('/').to_owned();
    let options = ["--no-defaults", "--protocol=tcp", &port, "--user=test"];
    let dumped = ["--triggers", "--single-transaction", &name];
    let options = [&options[..], &dumped].concat();
    run("mariadb-dump", &options, None, Some(to)).await;
}

async fn restore(database: &Database, from: &Path) {
    if kind() == Kind::Postgres {
        let options = ["--quiet", "-v", "ON_ERROR_STOP=1", &database.url];
        return run("psql", &options, Some(from), None).await;
    }
    let url = url::Url::parse(&database.url).unwrap();
    let port = format!("--port={}", url.port().unwrap());
    let name = url.path().trim_start_matches('/').to_owned();
    let options = [
        "--no-defaults",
        "--protocol=tcp",
        &port,
        "--user=test",
        &name,
    ];
    run("mariadb", &options, Some(from), None).await;
}

#[tokio::test]
async fn a_dump_restored_beside_or_over_the_original() {
    if kind() == Kind::Sqlite {
        return;
    }
    let original = Original::start().await;
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("dump.sql");
    dump(&original.database, &file).await;
    let late = original.go_on().await;
    original.process.signal("TERM").await;
    let beside = Database::fresh().await;
    restore(&beside, &file).await;
    original.check(&beside, &late).await;
    let sql = Sql::open(&original.database).await;
    sql.kill_other_connections().await;
    drop(sql);
    restore(&original.database, &file).await;
    original.check(&original.database, &late).await;
}

/// As a failover to a standby that had not received everything, or `.restore` into an open file.
#[tokio::test]
async fn a_feed_that_goes_back_under_a_running_server_cuts_subscribers_off() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, early) = client.new_step(build, "s").await;
    let kept = client.set_state(stepid, "kept").await;
    let lost = client.set_state(stepid, "lost").await;
    let mut live = server.ws().await;
    live.subscribe(&after(&early)).await;
    for cursor in [&kept, &lost] {
        assert_eq!(live.event().await["cursor"], cursor.as_str());
    }
    let sql = server.sql().await;
    sql.run("DELETE FROM graphql_events WHERE state_string = 'lost'")
        .await;
    sql.try_run("UPDATE graphql_feed SET position = position - 1")
        .await;
    // The lost event's position is used again.
    let other = client.set_state(stepid, "other").await;
    assert_eq!(live.stream_error().await.0, "CURSOR_EXPIRED");
    let mut ws = server.ws().await;
    ws.subscribe(&after(&lost)).await;
    assert_eq!(ws.stream_error().await.0, "CURSOR_EXPIRED");
    let mut ws = server.ws().await;
    ws.subscribe(&after(&kept)).await;
    assert_eq!(ws.event().await["cursor"], other.as_str());
    let next = client.set_state(stepid, "next").await;
    assert_eq!(ws.event().await["cursor"], next.as_str());
}
