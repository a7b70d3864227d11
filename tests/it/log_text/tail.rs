//! Following a log: each line once, in order, to its end.

use serde_json::Value;

use super::TestLog;
use crate::support::{server::Server, ws::Ws};

/// The field that follows a log from a line on.
pub(super) fn tail_field(log: &TestLog, from: i64) -> String {
    format!(
        "logTail(logid: {}, from: {from}) {{ from next complete lines {{ number text }} }}",
        log.logid
    )
}

pub(super) async fn follow(socket: &mut Ws, log: &TestLog, from: i64) {
    socket.subscribe_to(&tail_field(log, from)).await;
}

/// The texts of the lines from this one on to the end of the log.
pub(super) async fn lines_to_end(socket: &mut Ws, from: i64) -> Vec<String> {
    let (mut next, mut texts, mut complete) = (from, Vec::new(), Value::Null);
    loop {
        let message = socket.receive().await;
        if message["type"] == "complete" {
            assert_eq!(complete, true, "it ended at {next}");
            return texts;
        }
        let message = &message["payload"]["data"]["logTail"];
        next = add_lines(message, next, &mut texts);
        complete = message["complete"].clone();
    }
}

/// Adds a message's lines to the texts, of which the next must be of this number. Returns the
/// number after them.
pub(super) fn add_lines(message: &Value, mut next: i64, texts: &mut Vec<String>) -> i64 {
    assert_eq!(message["from"], next, "{message}");
    for line in message["lines"].as_array().unwrap() {
        assert_eq!(line["number"], next, "{message}");
        texts.push(line["text"].as_str().unwrap().to_owned());
        next += 1;
    }
    assert_eq!(message["next"], next, "{message}");
    next
}

/// The texts of the lines up to the number `until`, which follow each other from `from` on.
pub(super) async fn lines_until(socket: &mut Ws, from: i64, until: i64) -> (Vec<String>, Value) {
    let (mut next, mut texts) = (from, Vec::new());
    loop {
        let message = socket.event().await;
        next = add_lines(&message, next, &mut texts);
        if next >= until {
            return (texts, message["complete"].clone());
        }
    }
}

#[tokio::test]
async fn a_log_is_followed_to_its_end() {
    let server = Server::start().await;
    let log = TestLog::new(&server, "STDIO").await;
    log.append("zero\none").await;
    let mut sockets = [server.ws().await, server.ws().await, server.ws().await];
    for (socket, from) in sockets.iter_mut().zip([0, 1, -1]) {
        follow(socket, &log, from).await;
    }
    for (socket, from) in sockets.iter_mut().zip([0, 1, 1]) {
        let (texts, complete) = lines_until(socket, from, 2).await;
        assert_eq!(texts, ["zero", "one"][usize::try_from(from).unwrap()..]);
        assert_eq!(complete, false);
    }
    log.append("two").await;
    for socket in &mut sockets {
        assert_eq!(lines_until(socket, 2, 3).await.0, ["two"]);
    }
    log.append("three").await;
    log.finish().await;
    for socket in &mut sockets {
        assert_eq!(lines_until(socket, 3, 4).await.0, ["three"]);
        loop {
            let message = socket.receive().await;
            if message["type"] == "complete" {
                break;
            }
            assert_eq!(message["payload"]["data"]["logTail"]["complete"], true);
        }
    }
}

#[tokio::test]
async fn a_finished_log_comes_at_once_and_ends() {
    let server = Server::start().await;
    let log = TestLog::new(&server, "TEXT").await;
    log.append(&"line\n".repeat(2_500)).await;
    log.finish().await;
    let mut socket = server.ws().await;
    follow(&mut socket, &log, 0).await;
    let (texts, complete) = lines_until(&mut socket, 0, 2_500).await;
    assert_eq!((texts.len(), complete), (2_500, true.into()));
    assert_eq!(socket.receive().await["type"], "complete");
    let mut socket = server.ws().await;
    follow(&mut socket, &log, 9_999).await;
    let message = socket.event().await;
    assert_eq!(
        (&message["complete"], &message["from"]),
        (&true.into(), &9_999.into())
    );
}

#[tokio::test]
async fn an_empty_log_says_so_and_waits() {
    let server = Server::start().await;
    let log = TestLog::new(&server, "TEXT").await;
    let mut socket = server.ws().await;
    follow(&mut socket, &log, -5).await;
    let first = socket.event().await;
    assert_eq!((&first["from"], &first["next"]), (&0.into(), &0.into()));
    assert!(socket.is_silent().await);
    log.append("at last").await;
    assert_eq!(lines_until(&mut socket, 0, 1).await.0, ["at last"]);
}

#[tokio::test]
async fn any_server_goes_on_where_another_ended() {
    let server = Server::start().await;
    let log = TestLog::new(&server, "TEXT").await;
    log.append("zero").await;
    let mut socket = server.ws().await;
    follow(&mut socket, &log, 0).await;
    lines_until(&mut socket, 0, 1).await;
    drop(socket);
    log.append("one").await;
    let peer = server.peer(&["--anonymous", "write"]).await;
    let mut socket = peer.ws().await;
    follow(&mut socket, &log, 1).await;
    assert_eq!(lines_until(&mut socket, 1, 2).await.0, ["one"]);
    // Written through one server, heard at the other.
    log.append("two").await;
    assert_eq!(lines_until(&mut socket, 2, 3).await.0, ["two"]);
}

#[tokio::test]
async fn many_short_appends_come_in_order() {
    let server = Server::start().await;
    let log = TestLog::new(&server, "TEXT").await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        let mut socket = server.ws().await;
        follow(&mut socket, &log, 0).await;
        sockets.push(socket);
    }
    let wanted: Vec<String> = (0..150).map(|n| format!("line {n}")).collect();
    for line in &wanted {
        log.append(line).await;
    }
    for socket in &mut sockets {
        assert_eq!(lines_until(socket, 0, 150).await.0, wanted);
    }
}

#[tokio::test]
async fn a_log_that_is_not_there_is_refused() {
    let server = Server::start().await;
    let mut socket = server.ws().await;
    socket.subscribe_to("logTail(logid: 99999) { next }").await;
    let message = socket.receive().await;
    assert_eq!(message["type"], "error", "{message}");
    assert_eq!(message["payload"][0]["extensions"]["code"], "NOT_FOUND");
}
