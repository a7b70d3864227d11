//! Many follow one log while the servers that they are at are killed: each line comes once, in
//! order, to the end.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    TestLog,
    tail::{add_lines, follow, lines_to_end, tail_field},
};
use crate::support::{
    client::Client, database::Database, process::Process, sql::Sql, wait_until, ws::Ws,
};

const TAILS: usize = 50;

/// The lines of an append, of which some have more than one.
fn lines_of(append: usize) -> Vec<String> {
    let line = |n| format!("append {append}, line {n} of {}", append % 3);
    (0..=append % 3).map(line).collect()
}

/// A log that is appended to until it is told to stop.
struct Appending {
    lines: Arc<AtomicUsize>,
    stop: CancellationToken,
    task: JoinHandle<Vec<String>>,
}

impl Appending {
    fn start(log: TestLog) -> Self {
        let (lines, stop) = (Arc::<AtomicUsize>::default(), CancellationToken::new());
        let (count, stopped) = (lines.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let mut all = Vec::new();
            for append in 0.. {
                if stopped.is_cancelled() {
                    break;
                }
                let lines = lines_of(append);
                log.append(&lines.join("\n")).await;
                all.extend(lines);
                count.store(all.len(), Ordering::SeqCst);
            }
            all
        });
        Self { lines, stop, task }
    }

    fn lines(&self) -> usize {
        self.lines.load(Ordering::SeqCst)
    }

    /// All that was appended.
    async fn end(self) -> Vec<String> {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

/// Follows a log at each server in turn, for as long as that one lives. Returns the lines, and at
/// how many servers they came.
async fn tail(
    log: TestLog,
    servers: [SocketAddr; 3],
    received: Arc<AtomicUsize>,
) -> (Vec<String>, usize) {
    let mut texts = Vec::new();
    let mut came_from = 0;
    for server in servers {
        let Some(mut socket) = Ws::try_connect(server).await else {
            continue;
        };
        let (from, mut next) = (texts.len(), i64::try_from(texts.len()).unwrap());
        let field = tail_field(&log, next);
        if socket.try_subscribe_to(&field).await.is_none() {
            continue;
        }
        let mut is_over = false;
        while let Some(message) = socket.try_receive().await {
            if message["type"] == "complete" {
                assert!(is_over, "{message}");
                return (texts, came_from + 1);
            }
            assert!(!is_over, "{message}");
            let message = &message["payload"]["data"]["logTail"];
            next = add_lines(message, next, &mut texts);
            is_over = message["complete"] == true;
            received.store(texts.len(), Ordering::SeqCst);
        }
        came_from += usize::from(texts.len() > from);
    }
    panic!("it has not ended at the last server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tails_go_on_by_line_number_at_other_servers() {
    let database = Database::fresh().await;
    let [first, second, third] = [
        Process::start(&database, &[]).await,
        Process::start(&database, &[]).await,
        Process::start(&database, &[]).await,
    ];
    let servers = [first.address, second.address, third.address];
    let log = TestLog::of(Client::new(third.address), "STDIO").await;
    let sql = Sql::open(&database).await;
    let received: [Arc<AtomicUsize>; TAILS] = std::array::from_fn(|_| Arc::default());
    let tails = received.clone().map(|received| {
        let log = log.clone();
        tokio::spawn(tail(log, servers, received))
    });
    let appending = Appending::start(log.clone());
    let all_have = async |lines: usize| {
        let has = |of: &Arc<AtomicUsize>| of.load(Ordering::SeqCst) >= lines;
        wait_until(async || received.iter().all(has)).await;
    };
    all_have(30).await;
    first.kill().await;
    all_have(appending.lines() + 30).await;
    second.kill().await;
    // While they come back, the log ends and its chunks are merged.
    let appended = appending.end().await;
    let (before, _) = log.chunks(&sql).await;
    log.finish().await;
    for (texts, came_from) in join_all(tails).await.into_iter().map(Result::unwrap) {
        assert_eq!(texts, appended);
        assert_eq!(came_from, 3);
    }
    wait_until(async || {
        let (all, compressed) = log.chunks(&sql).await;
        all == compressed && all < before / 4
    })
    .await;
    for from in [0, 1, 17, appended.len() / 2, appended.len() - 1] {
        let mut socket = Ws::connect(third.address).await;
        let number = i64::try_from(from).unwrap();
        follow(&mut socket, &log, number).await;
        assert_eq!(lines_to_end(&mut socket, number).await, appended[from..]);
    }
}
