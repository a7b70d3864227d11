//! Clients that ask for a whole log and stop reading: each costs little, and others read on.

use std::{fmt::Write, net::SocketAddr};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::TestLog;
use crate::support::{
    TIMEOUT, client::Client, database::Database, process::Process, sql::Sql, wait_until,
};

const READERS: usize = 50;
/// What all of them may cost together. The log has a third of it.
const MOST_BYTES: u64 = 64 << 20;
const APPENDS: usize = 40;

/// Half a megabyte of lines that compress to about half of that.
fn text_of(append: usize) -> String {
    let mut text = String::new();
    let mut state = append as u64 + 1;
    for _ in 0..3_200 {
        for _ in 0..10 {
            state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
            write!(text, "{state:016x}").unwrap();
        }
        text.push('\n');
    }
    text
}

/// Asks for a file with this encoding, and reads no more than that it comes.
async fn begin_reading(address: SocketAddr, log: &TestLog, encoding: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut socket = socket.connect(address).await.unwrap();
    let head = format!(
        "GET /api/v2/logs/{}/raw HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: {encoding}\r\n\r\n",
        log.logid
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    socket.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    socket
}

/// How many connections the server has, by its metrics.
async fn connections(client: &Client) -> u64 {
    let url = client.url.replace("/graphql", "/metrics");
    let response = client.http.get(url).send().await.unwrap();
    let metrics = response.text().await.unwrap();
    let mut lines = metrics.lines();
    let count = lines.find_map(|line| line.strip_prefix("buildbot_graphql_connections "));
    count.expect("the metric").parse().unwrap()
}

#[tokio::test]
async fn readers_that_stop_cost_little_and_hold_up_nobody() {
    let database = Database::fresh().await;
    // They are not cut off meanwhile.
    let server = Process::start(&database, &["--write-timeout-seconds", "3600"]).await;
    let log = TestLog::of(Client::new(server.address), "TEXT").await;
    let mut text = String::new();
    for append in 0..APPENDS {
        let part = text_of(append);
        log.append(&part).await;
        text.push_str(&part);
    }
    log.finish().await;
    let sql = Sql::open(&database).await;
    wait_until(async || {
        let (all, compressed) = log.chunks(&sql).await;
        all == compressed
    })
    .await;
    let url = log.client.url.replace("/graphql", "/api/v2/logs");
    let url = format!("{url}/{}/raw", log.logid);
    let read_whole = async || {
        let reading = async {
            let whole = log.client.http.get(&url).send().await.unwrap();
            whole.text().await.unwrap()
        };
        let whole = timeout(3 * TIMEOUT, reading).await;
        assert!(whole.expect("it is held up") == text, "it is not the log");
    };
    read_whole().await;
    let idle = (connections(&log.client).await, server.resident_bytes());
    for encoding in ["identity", "zstd"] {
        let readers = (0..READERS).map(|_| begin_reading(server.address, &log, encoding));
        let readers = join_all(readers).await;
        // Pieces are unpacked in the order in which they are asked for: when one has read all,
        // each of the others has got as far as it is sent.
        read_whole().await;
        log.client.data("{ __typename }", json!({})).await;
        let held = server.resident_bytes().saturating_sub(idle.1);
        assert!(held < MOST_BYTES, "{encoding}: {held} bytes");
        let open = connections(&log.client).await;
        assert_eq!(open, idle.0 + READERS as u64, "{encoding}");
        drop(readers);
        wait_until(async || connections(&log.client).await == idle.0).await;
    }
}
