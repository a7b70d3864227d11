//! Which writes are done inline, and what happens to those that are not.

use std::time::Duration;

use futures_util::future::BoxFuture;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::{
    config::database::DatabaseConfig,
    domain::{
        builder::BuilderInfo,
        event::EventKind,
        id::{BuildId, BuilderId, LogId, StepId},
        log::LogType,
        log_text::codec::RAW,
        results::Results,
        url::Url,
    },
    store::{
        build::{self, BuildChange},
        builder,
        db::{
            catalog::read_texts,
            connect::{PendingMigrations, connect},
            database::Db,
            transaction::Txn,
        },
        event, idempotency_key,
        idempotency_payload::OnceForField,
        log, log_chunk, log_retention,
        step::{self, StepChange},
    },
};

/// A database, and a connection as another process has it.
struct WrittenFile {
    db: Db,
    other: Connection,
    _folder: TempDir,
}

impl WrittenFile {
    /// A write waits for the file's lock for this long.
    async fn new(busy_seconds: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("new.sqlite");
        let config = DatabaseConfig {
            busy_seconds,
            ..DatabaseConfig::of_test_file(&file)
        };
        let db = connect(&config, PendingMigrations::Apply).await;
        Self {
            db: db.expect("a database"),
            other: Connection::open(&file).expect("another connection"),
            _folder: folder,
        }
    }

    fn run(&self, sql: &str) {
        self.other.execute_batch(sql).expect(sql);
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        read_texts(&self.db.reader, sql).await.expect(sql)
    }
}

/// Has the compiler see what a closure is for.
fn work<T, F>(work: F) -> F
where
    F: for<'t> Fn(&'t Txn) -> BoxFuture<'t, Result<T>> + Send + Sync,
{
    work
}

async fn write_builder(txn: &Txn) -> Result<BuilderId> {
    let builder = builder::find_or_insert(txn, "builder").await?.id;
    let info = BuilderInfo {
        description: Some("described".to_owned()),
        tags: Some(vec!["tag".to_owned()]),
        ..BuilderInfo::default()
    };
    builder::set_info(txn, builder, info).await?;
    event::of_builder(txn, builder).await?;
    Ok(builder)
}

async fn write_build(txn: &Txn, builder: BuilderId) -> Result<BuildId> {
    let build = build::insert(txn, builder, 1).await?;
    event::of_build(txn, build, EventKind::New).await?;
    let finish = BuildChange::Finish {
        complete_at: 2,
        results: Results::Success,
    };
    for change in [BuildChange::StateString("built".to_owned()), finish] {
        build::update(txn, build, change).await?;
    }
    Ok(build)
}

async fn write_step(txn: &Txn, build: BuildId) -> Result<StepId> {
    step::insert(txn, build, "step").await?;
    let step = step::insert(txn, build, "step").await?;
    let url = Url {
        name: "name".to_owned(),
        url: "https://example.org".to_owned(),
    };
    let start = StepChange::Start {
        started_at: 1,
        locks_acquired: false,
    };
    let finish = StepChange::Finish {
        complete_at: 9,
        results: Results::Success,
        hidden: true,
    };
    let changes = [
        start,
        StepChange::LocksAcquiredAt(4),
        StepChange::StateString("done".to_owned()),
        StepChange::Urls(vec![url]),
        finish,
    ];
    for change in changes {
        step::update(txn, step, change).await?;
    }
    step::sum_lock_waits(txn, build).await?;
    Ok(step)
}

async fn write_log(txn: &Txn, step: StepId) -> Result<LogId> {
    let log = log::insert(txn, step, "stdio", LogType::Stdio).await?;
    let chunk = |content: &str| {
        vec![log_chunk::Model {
            logid: log,
            first_line: 0,
            last_line: 0,
            content: content.as_bytes().to_vec(),
            compressed: RAW,
        }]
    };
    log_chunk::insert(txn, chunk("oone\n")).await?;
    log::set_num_lines(txn, log, 1).await?;
    log_chunk::replace(txn, log, chunk("oanother\n")).await?;
    log::finish(txn, log).await?;
    event::of_log(txn, log, EventKind::Finished).await?;
    log_retention::mark_deleted(txn, log).await?;
    Ok(log)
}

#[tokio::test]
async fn every_kind_of_write_is_done_inline() {
    let fixture = WrittenFile::new(1).await;
    let writer = fixture.db.writer.get_sqlite_connection_pool();
    // While it is held, the pool can do nothing.
    let held = writer.acquire().await.expect("the pool's connection");
    let rows = work(|txn| {
        Box::pin(async move {
            let builder = write_builder(txn).await?;
            let step = write_step(txn, write_build(txn, builder).await?).await?;
            write_log(txn, step).await?;
            let claim = |claimed_at| idempotency_key::Model {
                hash: "hash".to_owned(),
                request: "request".to_owned(),
                claimed_at,
            };
            idempotency_key::claim(txn, claim(1), 0).await?;
            idempotency_key::claim(txn, claim(5), 5).await
        })
    });
    fixture.db.write(&rows).await.expect("rows");
    let seven = work(|_| Box::pin(async { Ok(7) }));
    for _ in 0..2 {
        let once = OnceForField {
            key_hash: "hash",
            field: 0,
            work: &seven,
        };
        assert_eq!(fixture.db.write(&once).await.expect("a payload"), 7);
    }
    drop(held);
    let steps = "SELECT steps.name || ' ' || steps.results || ' ' || locks_duration_s AS text \
        FROM steps JOIN builds ON builds.id = buildid WHERE steps.results IS NOT NULL";
    assert_eq!(fixture.texts(steps).await, ["step_1 0 3"]);
    let logs =
        "SELECT CAST(content AS TEXT) || type AS text FROM logchunks JOIN logs ON id = logid";
    assert_eq!(fixture.texts(logs).await, ["oanother\nd"]);
    let keys = "SELECT claimed_at || payload AS text FROM graphql_idempotency_keys \
        JOIN graphql_idempotency_payloads ON hash = key_hash";
    assert_eq!(fixture.texts(keys).await, ["57"]);
}

#[tokio::test]
async fn another_process_is_waited_for_by_the_pool() {
    let fixture = WrittenFile::new(30).await;
    fixture.run("BEGIN IMMEDIATE");
    let add = work(|txn| Box::pin(write_builder(txn)));
    let mut write = Box::pin(fixture.db.write(&add));
    let waiting = timeout(Duration::from_millis(100), &mut write).await;
    waiting.expect_err("it waits");
    fixture.run("COMMIT");
    write.await.expect("a write");
    assert_eq!(
        fixture.texts("SELECT name AS text FROM builders").await,
        ["builder"]
    );
}

#[tokio::test]
async fn odd_values_are_the_pools_to_judge() {
    let fixture = WrittenFile::new(30).await;
    let add = work(|txn| {
        Box::pin(async move {
            let builder = write_builder(txn).await?;
            let build = write_build(txn, builder).await?;
            Ok((build, step::insert(txn, build, "step").await?))
        })
    });
    let (build, step) = fixture.db.write(&add).await.expect("a step");
    fixture.run("INSERT INTO steps (number, name, buildid, started_at, locks_acquired_at, state_string, urls_json, hidden) \
        SELECT 7, 'odd', buildid, 'soon', 'later', '', '[]', 0 FROM steps");
    let start = work(|txn| {
        Box::pin(async move {
            let start = StepChange::Start {
                started_at: 1,
                locks_acquired: true,
            };
            step::update(txn, step, start).await?;
            let change = event::of_step(txn, step, EventKind::Started).await?;
            step::sum_lock_waits(txn, build).await?;
            Ok(change)
        })
    });
    fixture.db.write(&start).await.expect("a start");
    let started =
        "SELECT name AS text FROM graphql_events WHERE stepid IS NOT NULL AND started_at = 1";
    // Once: what was done inline before the odd value was read has left nothing.
    assert_eq!(fixture.texts(started).await, ["step"]);
}

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_nothing() {
    let fixture = WrittenFile::new(30).await;
    let writer = fixture.db.inline_writer.clone().expect("a writer");
    let begin = || writer.begin(&fixture.db.observer).expect("the file");
    let txn = begin().expect("a transaction");
    txn.control("INSERT INTO builders (name, name_hash) VALUES ('b', 'b')")
        .expect("a row");
    assert!(begin().is_none(), "there is one connection");
    drop(txn);
    assert!(
        fixture
            .texts("SELECT name AS text FROM builders")
            .await
            .is_empty()
    );
    let txn = begin().expect("it is back");
    txn.control("INSERT INTO nowhere VALUES (1)")
        .expect_err("no table");
    assert!(txn.take_failure());
    assert!(!txn.take_failure());
    txn.control("INSERT INTO builders (name, name_hash) VALUES ('c', 'c')")
        .expect("a row");
    // Closed meanwhile, it still ends what it has begun.
    writer.close();
    txn.commit().await.expect("a commit");
    assert_eq!(
        fixture.texts("SELECT name AS text FROM builders").await,
        ["c"]
    );
    assert!(begin().is_none(), "it is closed");
}
