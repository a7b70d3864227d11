//! A file that is deleted or replaced under a server: nothing is acknowledged into it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use buildbot_graphql::testing::Clock;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{ADD, COUNT, beside, count, ready};
use crate::{
    feed::{after, newest_cursor},
    support::{
        client::Client, database::Database, process::Process, server::Server, wait_until, ws::Ws,
    },
};

/// A server over a file that a symbolic link in another directory leads to.
struct Linked {
    dir: TempDir,
    server: Server,
}

impl Linked {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        symlink(dir.path().join("data"), dir.path().join("link")).unwrap();
        let database = Database::at(&dir.path().join("link/steps.sqlite"));
        let server = Server::on(database, &["--anonymous", "write"], Clock::System, None).await;
        Self { dir, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.path("data/steps.sqlite")
    }
}

/// Checks that everything that needs the database is UNAVAILABLE, and that `/readyz` says one thing
/// of all of it.
async fn unavailable(server: &Server, how: &str) {
    let client = server.client();
    for operation in [ADD, COUNT, "{ eventCursor }"] {
        let (code, message) = client.error(operation, json!({})).await;
        assert_eq!(code, "UNAVAILABLE", "{how}: {operation}: {message}");
        assert!(message.contains("deleted or replaced"), "{how}: {message}");
    }
    let rest = format!("http://{}/api/v2/builders", server.address);
    assert_eq!(reqwest::get(rest).await.unwrap().status(), 503, "{how}");
    let (status, body) = ready(server.address).await;
    assert_eq!(status, 503, "{how}: {body}");
    let word = &body["database"];
    assert!(word.as_str().unwrap().contains("deleted or replaced"));
    assert_eq!((word, word), (&body["feed"], &body["writable"]), "{how}");
    let mut ws = server.ws().await;
    ws.subscribe("").await;
    assert_eq!(ws.stream_error().await.0, "UNAVAILABLE", "{how}");
    // What needs no database goes on.
    client.data("{ __typename }", json!({})).await;
}

#[tokio::test]
async fn whatever_is_taken_away_is_noticed_before_the_next_answer() {
    type Take = fn(&Linked);
    let ways: [(&str, Take); 8] = [
        ("deleted", |l| fs::remove_file(l.file()).unwrap()),
        ("moved", |l| {
            fs::rename(l.file(), l.path("data/other")).unwrap();
        }),
        ("replaced", |l| {
            fs::copy(l.file(), l.path("copy")).unwrap();
            fs::rename(l.path("copy"), l.file()).unwrap();
        }),
        ("replaced by nothing", |l| {
            fs::remove_file(l.file()).unwrap();
            fs::write(l.file(), "").unwrap();
        }),
        ("without its log", |l| {
            fs::remove_file(beside(&l.file(), "-wal")).unwrap();
        }),
        ("without its index", |l| {
            fs::remove_file(beside(&l.file(), "-shm")).unwrap();
        }),
        ("another link", |l| {
            fs::create_dir(l.path("empty")).unwrap();
            fs::remove_file(l.path("link")).unwrap();
            symlink(l.path("empty"), l.path("link")).unwrap();
        }),
        ("directory moved", |l| {
            fs::rename(l.path("data"), l.path("elsewhere")).unwrap();
        }),
    ];
    for (how, take) in ways {
        let linked = Linked::start().await;
        linked.server.client().add_build("b").await;
        take(&linked);
        unavailable(&linked.server, how).await;
    }
}

#[tokio::test]
async fn a_file_that_comes_back_is_served_again() {
    let linked = Linked::start().await;
    let server = &linked.server;
    let client = server.client();
    client.add_build("b").await;
    let start = newest_cursor(&client).await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(&start)).await;
    wait_until(async || server.handle.subscribers() == 1).await;
    fs::rename(linked.path("data"), linked.path("elsewhere")).unwrap();
    unavailable(server, "away").await;
    // Found without a request, too; the subscriber learns where to resume.
    let (code, cursor) = ws.stream_error().await;
    assert_eq!((code.as_str(), cursor), ("UNAVAILABLE", Some(start)));
    fs::rename(linked.path("elsewhere"), linked.path("data")).unwrap();
    wait_until(async || ready(server.address).await.0 == 200).await;
    assert_eq!(count(&client).await, 1, "a refused mutation was done");
    client.data(ADD, json!({})).await;
    assert_eq!(count(&client).await, 2);
}

#[tokio::test]
async fn another_file_in_its_place_is_left_alone() {
    let linked = Linked::start().await;
    linked.server.client().add_build("b").await;
    // A whole database with a log of its own, as of a restored copy that another server uses.
    let other = Database::at(&linked.path("other.sqlite"));
    let flags = ["--anonymous", "write"];
    let peer = Process::start(&other, &flags[..0]).await;
    Client::new(peer.address).add_build("theirs").await;
    peer.kill().await;
    let read = |path: &Path| fs::read(path).unwrap();
    let logged = read(&beside(other.file(), "-wal"));
    assert!(!logged.is_empty());
    for suffix in ["-wal", "-shm", ""] {
        let (from, to) = (beside(other.file(), suffix), beside(&linked.file(), suffix));
        fs::rename(from, to).unwrap();
    }
    let replacement = read(&linked.file());
    unavailable(&linked.server, "replaced").await;
    let Linked { dir, server } = linked;
    server.stop().await;
    let file = dir.path().join("data/steps.sqlite");
    assert!(read(&file) == replacement && read(&beside(&file, "-wal")) == logged);
    let server = Server::on(Database::at(&file), &flags, Clock::System, None).await;
    let names = "{ builders { nodes { name } } }";
    let found = server.client().data(names, json!({})).await;
    assert_eq!(found["builders"]["nodes"], json!([{ "name": "theirs" }]));
}

/// As `cp` over it does, which leaves the inode as it is.
#[tokio::test]
async fn what_is_written_into_a_file_that_was_overwritten_is_not_acknowledged() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("steps.sqlite");
    let start = async || {
        let flags = ["--anonymous", "write", "--rate-points", "0"];
        Server::on(Database::at(&file), &flags, Clock::System, None).await
    };
    let server = start().await;
    let build = server.client().add_build("b").await;
    server.stop().await;
    let copy = fs::read(&file).unwrap();
    let server = start().await;
    for _ in 0..400 {
        server.client().new_step(build, "s").await;
    }
    // Folds the log into the file.
    server.stop().await;
    let server = start().await;
    let (stepid, _) = server.client().new_step(build, "s").await;
    fs::write(&file, copy).unwrap();
    let set =
        "mutation($s: Int!) { setStepStateString(stepid: $s, stateString: \"x\") { cursor } }";
    let add = "mutation($s: Int!) { newStep(buildid: $s, name: \"lost\") { cursor } }";
    for (mutation, id) in [(add, build), (set, stepid)] {
        let (code, message) = server.client().error(mutation, json!({ "s": id })).await;
        let codes = ["OUTCOME_UNKNOWN", "UNAVAILABLE"];
        assert!(codes.contains(&&*code), "{code}: {message}");
    }
    unavailable(&server, "overwritten").await;
}

#[tokio::test]
async fn a_masters_file_is_watched_too() {
    let (dir, file) = crate::database_file::master_file();
    let database = Database::at(&file);
    crate::attach::run("attach", &database).await.unwrap();
    let server = Server::on(database, &[], Clock::System, None).await;
    server.client().data(COUNT, json!({})).await;
    fs::rename(&file, dir.path().join("moved")).unwrap();
    wait_until(async || ready(server.address).await.0 == 503).await;
    unavailable(&server, "a master's").await;
    fs::rename(dir.path().join("moved"), &file).unwrap();
    wait_until(async || ready(server.address).await.0 == 200).await;
    server.client().data(COUNT, json!({})).await;
}

#[tokio::test]
async fn the_log_says_it_once() {
    let database = Database::fresh_file();
    let (process, log) = Process::logging(&database, &[], &[]).await;
    let client = Client::new(process.address);
    client.add_build("b").await;
    let mut ws = Ws::connect(process.address).await;
    ws.subscribe("").await;
    fs::remove_file(database.file()).unwrap();
    let mut lines = BufReader::new(log).lines();
    // Without a request: it looks by itself.
    while !lines.next_line().await.unwrap().unwrap().contains("ERROR") {}
    for _ in 0..5 {
        client.error(ADD, json!({})).await;
        client.error(COUNT, json!({})).await;
    }
    ws.stream_error().await;
    process.signal("TERM").await;
    while let Some(line) = lines.next_line().await.unwrap() {
        assert!(!line.contains("ERROR") && !line.contains("WARN"), "{line}");
    }
}
