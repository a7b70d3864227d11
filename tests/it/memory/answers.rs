//! Answers to clients that do not read them.

use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpSocket};

use super::{check_returned, long_answer};
use crate::support::{server::Server, wait_until, ws::Ws};

const LONG: i64 = 1_000_000;

#[tokio::test]
async fn an_answer_counts_until_it_is_sent() {
    let server = Server::start().await;
    let body = long_answer().to_string();
    for encoding in ["identity", "gzip"] {
        let tcp = TcpSocket::new_v4().unwrap();
        tcp.set_recv_buffer_size(4_096).unwrap();
        let mut tcp = tcp.connect(server.address).await.unwrap();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Accept-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        // Several answers, since one may shrink to what the buffers hold.
        for _ in 0..20 {
            tcp.write_all(head.as_bytes()).await.unwrap();
            tcp.write_all(body.as_bytes()).await.unwrap();
        }
        wait_until(async || server.handle.memory_held() > LONG).await;
        drop(tcp);
        check_returned(&server).await;
    }
    // It is counted, and not held back.
    let client = server.client();
    let response = client
        .execute(long_answer()["query"].as_str().unwrap(), json!({}))
        .await;
    assert!(response["data"]["a59"]["sdl"].is_string());
    check_returned(&server).await;
}

#[tokio::test]
async fn a_sockets_answers_count_until_they_are_sent() {
    let server = Server::start().await;
    let mut ws = Ws::with_small_buffer(server.address).await;
    for id in ["1", "2", "3", "4"] {
        ws.send(json!({ "id": id, "type": "subscribe", "payload": long_answer() }))
            .await;
    }
    wait_until(async || server.handle.memory_held() > LONG).await;
    drop(ws);
    check_returned(&server).await;
}
