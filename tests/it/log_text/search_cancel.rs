//! A search that nobody waits for any more leaves its threads to others.

use std::thread::available_parallelism;

use futures_util::future::join_all;
use serde_json::json;

use super::TestLog;
use crate::support::{server::Server, wait_until};

/// Nothing but the client ends a search.
const FLAGS: [&str; 6] = [
    "--anonymous",
    "write",
    "--max-seconds",
    "0",
    "--log-search-bytes",
    "1000000000000",
];

/// How many lines a chunk has.
const LINES: usize = 4_000;
/// The number of the last chunk.
const LAST_CHUNK: usize = 4_999;

/// A log that takes much longer to search than a test may.
async fn endless_log(server: &Server) -> TestLog {
    let log = TestLog::new(server, "STDIO").await;
    let sql = server.sql().await;
    let text = vec!["ocompiling"; LINES].join("\n");
    let content = sql.bytes(&zstd::bulk::compress(text.as_bytes(), 3).unwrap());
    let logid = log.logid;
    sql.run(&format!(
        "INSERT INTO logchunks (logid, first_line, last_line, content, compressed) \
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {LAST_CHUNK}) \
         SELECT {logid}, i * {LINES}, (i + 1) * {LINES} - 1, {content}, 4 FROM n"
    ))
    .await;
    let lines = (LAST_CHUNK + 1) * LINES;
    sql.run(&format!(
        "UPDATE logs SET num_lines = {lines} WHERE id = {logid}"
    ))
    .await;
    log
}

/// A search without a match.
fn search(log: &TestLog) -> String {
    let logid = log.logid;
    format!("{{ log(logid: {logid}) {{ search(regex: \"linking [0-9]+ of\") {{ next }} }} }}")
}

async fn all_are_busy(server: &Server) {
    let count = available_parallelism().map_or(1, usize::from);
    wait_until(async || server.handle.busy_log_workers() == count).await;
}

/// Checks that no thread searches, and that lines are read.
async fn all_are_free(server: &Server, log: &TestLog) {
    wait_until(async || server.handle.busy_log_workers() == 0).await;
    let lines = log.field("lines(from: -1) { lines { text } }").await;
    assert_eq!(lines["lines"], json!([{ "text": "compiling" }]));
}

#[tokio::test]
async fn a_client_that_goes_frees_the_threads_of_its_search() {
    let server = Server::with_flags(&FLAGS).await;
    let log = endless_log(&server).await;
    // More than there are threads, so that some wait for their turn.
    let searches: Vec<_> = (0..10)
        .map(|_| {
            let (client, query) = (server.client(), search(&log));
            tokio::spawn(async move { client.try_execute(&query, json!({})).await })
        })
        .collect();
    all_are_busy(&server).await;
    for search in &searches {
        search.abort();
    }
    for ended in join_all(searches).await {
        assert!(ended.unwrap_err().is_cancelled());
    }
    all_are_free(&server, &log).await;
}

#[tokio::test]
async fn a_search_is_cancelled_at_a_socket() {
    let server = Server::with_flags(&FLAGS).await;
    let log = endless_log(&server).await;
    let payload = json!({ "query": search(&log) });
    let message = json!({ "id": "1", "type": "subscribe", "payload": payload });
    let mut socket = server.ws().await;
    socket.send(message.clone()).await;
    all_are_busy(&server).await;
    socket.send(json!({ "id": "1", "type": "complete" })).await;
    all_are_free(&server, &log).await;
    // The same where the whole socket goes.
    socket.send(message).await;
    all_are_busy(&server).await;
    drop(socket);
    all_are_free(&server, &log).await;
}
