//! Groups of writes of which some fail, leave or break the transaction.

use std::{
    future::{pending, poll_fn},
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use sea_orm::ConnectionTrait;
use tempfile::TempDir;
use tokio::{sync::Notify, task::yield_now};

use super::*;
use crate::{
    config::database::DatabaseConfig,
    metrics::Metrics,
    store::db::{
        catalog::read_texts,
        connect::{PendingMigrations, connect},
    },
};

/// A database with a table of names, which each write adds one to.
struct Fixture {
    db: Db,
    metrics: Metrics,
    _folder: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("new.sqlite");
        let config = DatabaseConfig {
            busy_seconds: 30,
            ..DatabaseConfig::of_test_file(&file)
        };
        let db = connect(&config, PendingMigrations::Apply).await;
        let mut db = db.expect("a database");
        let tables = "CREATE TABLE names (name TEXT PRIMARY KEY); \
            CREATE TABLE children (parent TEXT REFERENCES names DEFERRABLE INITIALLY DEFERRED)";
        let made = db.writer.execute_unprepared(tables).await;
        made.expect("tables");
        let metrics = Metrics::default();
        db.measure(&metrics);
        // However slow the machine is.
        db.write_queue.max_age = Duration::MAX;
        Self {
            db,
            metrics,
            _folder: folder,
        }
    }

    /// What becomes of these writes, which all wait at once.
    async fn write_all(&self, writes: &[Write]) -> Vec<Result<()>> {
        join_all(writes.iter().map(|write| self.db.write(write))).await
    }

    async fn names(&self) -> Vec<String> {
        let sql = "SELECT name AS text FROM names ORDER BY name";
        let names = read_texts(&self.db.reader, sql).await;
        names.expect("names")
    }

    /// How many commits there were.
    fn commits(&self) -> u64 {
        let text = self.metrics.text().expect("metrics");
        let mut lines = text.lines();
        let count = lines
            .find_map(|line| line.strip_prefix("buildbot_graphql_commit_writes_count "))
            .expect("a count");
        count.parse().expect("a number")
    }
}

/// Adds a name, and then ends in some way.
#[derive(Default)]
struct Write {
    name: &'static str,
    then: Then,
    runs: AtomicUsize,
    begun: Notify,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Then {
    #[default]
    Succeed,
    Fail,
    /// SQLite ends the whole transaction, as it may on a full disk.
    EndTransaction,
    /// SQLite refuses a statement.
    BreakStatement,
    /// The commit fails.
    BreakCommit,
    Panic,
    Hang,
}

impl Work<()> for Write {
    fn run<'t>(&'t self, txn: &'t Txn) -> BoxFuture<'t, Result<()>> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            // The others queue meanwhile; else the first would commit alone.
            yield_now().await;
            let add = format!("INSERT INTO names VALUES ('{}')", self.name);
            txn.control(&add).await?;
            self.begun.notify_one();
            match self.then {
                Then::Succeed => Ok(()),
                Then::Fail => Err(Error::not_found("step", 1)),
                Then::EndTransaction => {
                    txn.control("ROLLBACK").await?;
                    Err(Error::DiskFull)
                }
                Then::BreakStatement => txn.control("INSERT INTO nowhere VALUES (1)").await,
                Then::BreakCommit => {
                    let orphan = "INSERT INTO children VALUES ('nobody')";
                    txn.control(orphan).await?;
                    Ok(())
                }
                Then::Panic => panic!("a writer"),
                Then::Hang => pending().await,
            }
        })
    }
}

/// Three writes, of which the second ends in this way.
fn three(then: Then) -> [Write; 3] {
    let write = |name, then| Write {
        name,
        then,
        ..Write::default()
    };
    [
        write("a", Then::Succeed),
        write("b", then),
        write("c", Then::Succeed),
    ]
}

#[tokio::test]
async fn writes_that_wait_share_commits_of_64() {
    let fixture = Fixture::new().await;
    let names: Vec<&str> = (0..130)
        .map(|i| &*Box::leak(format!("{i:03}").into_boxed_str()))
        .collect();
    let write = |name: &&'static str| Write {
        name,
        ..Write::default()
    };
    let writes: Vec<Write> = names.iter().map(write).collect();
    let done = fixture.write_all(&writes).await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    assert_eq!(fixture.names().await, names);
    assert_eq!(fixture.commits(), 3);
    // One after another, each has its own.
    for write in three(Then::Succeed) {
        fixture.db.write(&write).await.expect("a write");
    }
    assert_eq!(fixture.commits(), 6);
}

#[tokio::test]
async fn one_that_fails_fails_alone() {
    let fixture = Fixture::new().await;
    let ways = [Then::Fail, Then::BreakStatement, Then::EndTransaction];
    for (round, then) in ways.into_iter().enumerate() {
        let writes = three(then);
        let done = fixture.write_all(&writes).await;
        assert!(done[0].is_ok() && done[2].is_ok(), "{done:?}");
        match then {
            Then::Fail => assert!(matches!(done[1], Err(Error::NotFound { .. })), "{done:?}"),
            Then::BreakStatement => {
                assert!(matches!(done[1], Err(Error::Internal(_))), "{done:?}");
            }
            _ => assert!(matches!(done[1], Err(Error::DiskFull)), "{done:?}"),
        }
        assert_eq!(fixture.names().await, ["a", "c"]);
        let runs = writes.map(|write| write.runs.into_inner());
        // What SQLite refuses is done again by the pool, and what it has undone by its writer.
        assert_eq!(runs, [[1, 1, 1], [1, 2, 1], [2, 2, 1]][round], "{then:?}");
        let clean = fixture.db.writer.execute_unprepared("DELETE FROM names");
        clean.await.expect("room");
    }
}

#[tokio::test]
async fn the_first_that_fails_fails_alone() {
    let fixture = Fixture::new().await;
    let [a, b, c] = three(Then::Fail);
    let done = fixture.write_all(&[b, a, c]).await;
    assert!(matches!(done[0], Err(Error::NotFound { .. })), "{done:?}");
    assert!(done[1].is_ok() && done[2].is_ok(), "{done:?}");
    assert_eq!((fixture.names().await.len(), fixture.commits()), (2, 1));
}

#[tokio::test]
async fn a_commit_that_fails_acknowledges_nobody() {
    let fixture = Fixture::new().await;
    let [a, b, c] = three(Then::BreakCommit);
    let [_, fails, _] = three(Then::Fail);
    let done = fixture.write_all(&[a, b, c, fails]).await;
    assert!(done[..3].iter().all(Result::is_err), "{done:?}");
    assert!(matches!(done[3], Err(Error::NotFound { .. })), "{done:?}");
    assert!(fixture.names().await.is_empty());
    let again = fixture.write_all(&three(Then::Succeed)).await;
    assert!(again.iter().all(Result::is_ok), "{again:?}");
}

#[tokio::test]
async fn one_that_panics_or_is_cut_off_leaves_no_trace() {
    let fixture = Fixture::new().await;
    for then in [Then::Panic, Then::Hang] {
        let [a, b, c] = three(then);
        let broken = async {
            let write = AssertUnwindSafe(fixture.db.write(&b)).catch_unwind();
            tokio::select! {
                biased;
                done = write => assert!(done.is_err(), "{then:?}"),
                () = b.begun.notified() => assert_eq!(then, Then::Hang),
            }
        };
        let (one, (), other) = tokio::join!(fixture.db.write(&a), broken, fixture.db.write(&c));
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
        assert_eq!(fixture.names().await, ["a", "c"], "{then:?}");
        let clean = fixture.db.writer.execute_unprepared("DELETE FROM names");
        clean.await.expect("room");
    }
}

#[tokio::test]
async fn one_that_leaves_at_any_point_stops_no_other() {
    let fixture = Fixture::new().await;
    for polls in 0..40 {
        let [a, b, c] = three(Then::Succeed);
        let leaving = async {
            let mut write = Box::pin(fixture.db.write(&a));
            let mut left = polls;
            poll_fn(|context| {
                if left == 0 {
                    return Poll::Ready(None);
                }
                left -= 1;
                write.as_mut().poll(context).map(Some)
            })
            .await
        };
        let (left, one, other) = tokio::join!(leaving, fixture.db.write(&b), fixture.db.write(&c));
        assert!(one.is_ok() && other.is_ok(), "{polls}: {one:?} {other:?}");
        let names = fixture.names().await;
        assert!(
            names.ends_with(&["b".to_owned(), "c".to_owned()]),
            "{names:?}"
        );
        assert!(
            left.is_none() || names.len() == 3,
            "{polls}: {left:?} {names:?}"
        );
        let clean = fixture.db.writer.execute_unprepared("DELETE FROM names");
        clean.await.expect("room");
    }
}
