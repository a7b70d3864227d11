//! SQLite's write-ahead log, which grows while another process reads one moment.

use std::fs;

use super::beside;
use crate::support::{database::on_sqlite, server::Server, wait_until};

#[tokio::test]
async fn the_log_shrinks_after_a_long_reader() {
    if !on_sqlite("others have no such file") {
        return;
    }
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    let log = beside(server.database.file(), "-wal");
    let length = || fs::metadata(&log).unwrap().len();
    let (reader, writer) = (server.sql().await, server.sql().await);
    reader.run("BEGIN").await;
    let builders = "SELECT COUNT(*) AS n FROM builders";
    assert_eq!(reader.number(builders).await, 1);
    writer.run("CREATE TABLE filler (text TEXT)").await;
    for _ in 0..12 {
        writer
            .run("INSERT INTO filler VALUES (hex(randomblob(500000)))")
            .await;
    }
    let grown = length();
    assert!(grown > 12_000_000, "{grown}");
    let metrics = format!("http://{}/metrics", server.address);
    let text = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    let gauge = format!("buildbot_graphql_write_ahead_log_bytes {}\n", length());
    assert!(text.contains(&gauge), "{gauge}{text}");
    // Nothing is lost while it cannot be emptied, and nobody waits.
    client.add_build("c").await;
    reader.run("COMMIT").await;
    wait_until(async || length() < 1_000_000).await;
    client.add_build("d").await;
    assert_eq!(reader.number(builders).await, 3);
}

/// A master would wait while its log is emptied.
#[tokio::test]
async fn a_masters_log_is_left_to_the_master() {
    if !on_sqlite("others have no such file") {
        return;
    }
    let (database, sql) = crate::attach::master().await;
    crate::attach::run("attach", &database).await.unwrap();
    let server = crate::attach::serve(&database, &[]).await;
    sql.run("PRAGMA wal_autocheckpoint = 0; CREATE TABLE filler (text TEXT)")
        .await;
    for _ in 0..12 {
        sql.run("INSERT INTO filler VALUES (hex(randomblob(500000)))")
            .await;
    }
    let log = beside(database.file(), "-wal");
    let before = fs::metadata(&log).unwrap().len();
    // Longer than the pause between two attempts.
    tokio::time::sleep(crate::support::TIMEOUT * 3 / 10).await;
    assert_eq!(fs::metadata(&log).unwrap().len(), before);
    drop(server);
}
