//! Writers at the same time, and repetitions.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;

use super::{add_log, append, chunks, texts, with_step, write};
use crate::support::wait_until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_two_appenders_neither_overlap_nor_get_lost() {
    let (server, client) = with_step(&[]).await;
    let peer = server.peer(&["--anonymous", "write"]).await;
    let clients = [client.clone(), peer.client()];
    add_log(&client, "stdio").await;
    let appends = (0..40).map(|n| {
        let client = clients[n % 2].clone();
        async move { append(&client, 1, &format!("{n} a\n{n} b\n{n} c\n")).await }
    });
    let appended = join_all(appends).await;
    let ends: BTreeSet<_> = appended
        .iter()
        .map(|payload| payload["log"]["numLines"].as_i64().unwrap())
        .collect();
    let expected: BTreeSet<_> = (1..=40).map(|n| n * 3).collect();
    assert_eq!(ends, expected);
    let lines = texts(&client, 1).await;
    assert_eq!(lines.len(), 120);
    for (payload, n) in appended.iter().zip(0..) {
        let end = payload["log"]["numLines"].as_u64().unwrap();
        let end = usize::try_from(end).unwrap();
        let own = [format!("{n} a"), format!("{n} b"), format!("{n} c")];
        assert_eq!(lines[end - 3..end], own);
    }
    let rows = chunks(&server.sql().await, 1).await;
    for (row, first) in rows.iter().zip((0..).step_by(3)) {
        assert_eq!(*row, json!([first, first + 2, 0]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_of_one_name_get_slugs_of_their_own() {
    let (server, client) = with_step(&[]).await;
    let peer = server.peer(&["--anonymous", "write"]).await;
    let clients = [client, peer.client()];
    let adds = (0..20).map(|n| {
        let client = clients[n % 2].clone();
        async move { write(&client, r#"addLog(stepid: 1, name: "stdio")"#).await }
    });
    let slugs: BTreeSet<_> = join_all(adds)
        .await
        .iter()
        .map(|payload| payload["log"]["slug"].as_str().unwrap().to_owned())
        .collect();
    let expected: BTreeSet<_> = std::iter::once("stdio".to_owned())
        .chain((1..20).map(|n| format!("stdio_{n}")))
        .collect();
    assert_eq!(slugs, expected);
}

/// An append is before the end, or refused: no line follows a finished log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_follows_the_end() {
    let (_server, client) = with_step(&[]).await;
    for round in 1..=10 {
        add_log(&client, "stdio").await;
        let query = format!(
            "mutation {{ it: appendLog(logid: {round}, content: \"x\") {{ log {{ numLines }} }} }}"
        );
        let appends = (0..5).map(|_| client.execute(&query, json!({})));
        let finish = format!("finishLog(logid: {round})");
        let (appended, finished) = tokio::join!(join_all(appends), write(&client, &finish));
        let done = appended.iter().filter(|it| it["data"]["it"].is_object());
        let done = done.count();
        let num_lines = finished["log"]["numLines"].as_u64().unwrap();
        assert_eq!(usize::try_from(num_lines).unwrap(), done, "{appended:?}");
        assert_eq!(texts(&client, round).await.len(), done);
    }
}

#[tokio::test]
async fn an_append_with_a_key_is_done_once() {
    let (_server, client) = with_step(&[]).await;
    add_log(&client, "stdio").await;
    let keyed = client.clone().with("idempotency-key", "the-append");
    let first = append(&keyed, 1, "once").await;
    let second = append(&keyed, 1, "once").await;
    assert_eq!(first, second);
    assert_eq!(texts(&client, 1).await, ["once"]);
}

#[tokio::test]
async fn a_finished_log_is_stored_in_less_room_and_reads_the_same() {
    let (server, client) = with_step(&[]).await;
    add_log(&client, "stdio").await;
    for n in 0..30 {
        append(&client, 1, &format!("line {n} of the log\n").repeat(10)).await;
    }
    let before = texts(&client, 1).await;
    let sql = server.sql().await;
    assert_eq!(chunks(&sql, 1).await.len(), 30);
    write(&client, "finishLog(logid: 1)").await;
    wait_until(async || chunks(&sql, 1).await.len() == 1).await;
    assert_eq!(chunks(&sql, 1).await, [json!([0, 299, 4])]);
    assert_eq!(texts(&client, 1).await, before);
    // Once more changes nothing.
    write(&client, "finishLog(logid: 1)").await;
    assert_eq!(texts(&client, 1).await, before);
}
